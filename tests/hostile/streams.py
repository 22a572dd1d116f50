"""Lists what may be streamed in place of an answer of the Messages API: bytes that are none, or hardly one.

Made of the events of a good answer (`maos_sup.loopback.stream`), each changed in one way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from maos_sup.loopback import stream
from maos_sup.loopback.reply import call

Event = dict[str, Any]
GOOD = call("finish", {"result": "all done"}, text="I am done.")
_USAGE = {"input_tokens": 10, "output_tokens": 5}
_VALUES: tuple[object, ...] = (
    *(None, True, -1, 10**30, 1e308, "", "x", "\0", "\ud800", [], [[]], {}, {"type": "x"}, [{"type": None}]),
)


def good() -> list[Event]:
    """The events of a good answer."""
    content = [{"id": "toolu_1", **block} if block["type"] == "tool_use" else block for block in GOOD.content]
    whole = stream.message(GOOD, id_="msg_1", model="test-model", usage=_USAGE) | {"content": content}
    return list(stream.events(GOOD, whole))


def wired(events: list[Event]) -> bytes:
    """As server-sent events; by the standard library, which writes what no strict writer would."""
    return b"".join(
        f"event: {event.get('type')}\ndata: {json.dumps(event)}\n\n".encode(errors="replace")
        for event in events
    )


def with_wrong_values() -> Iterator[tuple[str, bytes]]:
    """Every key of every event: missing, and of each wrong type."""
    for number, event in enumerate(good()):
        for path in _paths(event):
            where = f"{number}:{event['type']}:{'.'.join(map(str, path))}"
            yield f"{where} missing", wired(_with(number, path, _drop))
            for value in _VALUES:
                yield (
                    f"{where} {str(value)[:8]!r}",
                    wired(_with(number, path, lambda at, key, v=value: _put(at, key, v))),
                )


def disordered() -> Iterator[tuple[str, bytes]]:
    """Every event left out, doubled, moved to the end; odd ones between; the whole backwards and twice."""
    events = good()
    for number, event in enumerate(events):
        name = f"{number}:{event['type']}"
        yield f"{name} left out", wired(events[:number] + events[number + 1 :])
        yield f"{name} twice", wired([*events[: number + 1], *events[number:]])
        yield f"{name} last", wired([*events[:number], *events[number + 1 :], event])
        yield f"ends before {name}", wired(events[:number])
        odd: list[Event] = [{"type": "news"}, {"type": "ping"}, {"type": "content_block_delta", "index": 7}]
        odd += [
            {"type": "error", "error": {"type": "odd", "message": "\0"}},
            {"type": "error"},
            {},
            {"type": None},
        ]
        odd.append({"type": "content_block_stop", "index": -1})
        odd.append({"type": "content_block_start", "index": 9, "content_block": {"type": "hologram"}})
        for other in odd:
            yield f"before {name} comes {str(other)[:50]}", wired([*events[:number], other, *events[number:]])
    yield "backwards", wired(events[::-1])
    yield "twice", wired(events * 2)


def bytes_of_no_kind() -> Iterator[tuple[str, bytes]]:
    """Yield what is no stream of events."""
    data = wired(good())
    yield "nothing", b""
    yield "zeros", bytes(4096)
    yield "a page", b"<html><body>502 Bad Gateway</body></html>\n"
    yield "no JSON", b"event: message_start\ndata: {oops\n\n"
    yield "a number", b"event: message_start\ndata: 7\n\n"
    yield "a list", b"event: message_start\ndata: []\n\n"
    yield "null", b"event: message_start\ndata: null\n\n"
    yield "NaN", data.replace(b'"output_tokens": 5', b'"output_tokens": NaN')
    yield "a huge number", data.replace(b'"output_tokens": 5', b'"output_tokens": ' + b"9" * 10_000)
    yield "invalid UTF-8", data.replace(b"I am done.", b"\xff\xfe\xc3(")
    yield "zeros within", data.replace(b"I am done.", b"\0\0")
    yield "a byte order mark", b"\xef\xbb\xbf" + data
    yield "CR LF", data.replace(b"\n", b"\r\n")
    yield (
        "names of events left out",
        b"".join(line + b"\n" for line in data.split(b"\n") if not line.startswith(b"event:")),
    )
    yield (
        "deep nesting",
        b"event: message_start\ndata: " + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"\n\n",
    )
    nested = data.replace(b'\\"all done\\"', b"[" * 50_000 + b"]" * 50_000)
    yield "a deeply nested input", nested
    yield "ten million characters", data.replace(b"I am done.", b"x " * 5_000_000)
    yield "a line without end", b"data: " + b"x" * 5_000_000
    for end in range(1, len(data), 37):
        yield f"cut at {end}", data[:end]


def _paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, item in value.items():
        yield (*at, key)
        if isinstance(item, dict):
            yield from _paths(item, (*at, key))


def _with(number: int, path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> list[Event]:
    events = json.loads(json.dumps(good()))
    at = events[number]
    for key in path[:-1]:
        at = at[key]
    change(at, path[-1])
    return list(events)


def _drop(at: Any, key: Any) -> None:
    del at[key]


def _put(at: Any, key: Any, value: object) -> None:
    at[key] = value
