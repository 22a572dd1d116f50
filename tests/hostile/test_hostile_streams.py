"""What a server streams in the place of an answer: asked for again or refused in words; never half an answer,
one twice, a traceback or a wait without end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import streams
from orchestra import Orchestra

from maos_sup.agents.kinds.anthropic.events import AnswerEnded, AnswerPiece, Begun, Event, Whole
from maos_sup.agents.kinds.anthropic.model import Model
from maos_sup.agents.kinds.shared.troubles import Broken
from maos_sup.loopback.reply import ScriptedReply
from maos_sup.loopback.request import LoopbackRequest
from maos_sup.loopback.rules import make_rules
from maos_sup.loopback.server import LoopbackServer
from state_layout.files import codec
from state_layout.lives.attempts import all_lines

QUESTION = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}
ASKED_TWICE = (  # each is the first answer to two questions
    ("doubled", streams.wired(streams.good() * 2)),
    ("cut", streams.wired(streams.good())[:-200]),
    ("nested", b"event: message_start\ndata: " + b"[" * 100_000 + b"\n\n"),
    ("astray", streams.wired([event | {"index": 3} for event in streams.good()])),
    (
        "typed",
        streams.wired([{**event, "delta": {"type": "text_delta", "text": 7}} for event in streams.good()]),
    ),
)
Ask = Callable[[bytes], list[Event] | Broken]


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Ask a server that streams given bytes: what was understood, or the trouble."""
    sent = [b""]
    with LoopbackServer(lambda request: ScriptedReply(raw=sent[0])) as server:
        model = Model({}, base_url=server.url, stall_s=20)

        def asked(data: bytes) -> list[Event] | Broken:
            sent[0] = data
            try:
                return list(model.ask(QUESTION, key="k"))
            except Broken as broken:
                return broken

        yield asked
        model.close()


def fault_of(events: list[Event]) -> str | None:
    """Say why `events` are no sound answer."""
    begun, ended = ([e for e in events if isinstance(e, sort)] for sort in (Begun, AnswerEnded))
    told = [event for event in events if isinstance(event, Whole)]
    blocks = [*{event.index: event for event in told}.values()]  # the last word on each
    pieces = [event for event in events if isinstance(event, AnswerPiece)]
    calls = [event.block["id"] for event in blocks if event.block["type"] == "tool_use"]
    numbers = [number for event in [*begun, *ended] for number in event.usage.values()]  # type: ignore[attr-defined]
    if (len(begun), len(ended)) != (1, 1) or events[0] is not begun[0] or events[-1] is not ended[0]:
        return "it does not begin and end once"
    if len(set(calls)) < len(calls):
        return "a call is there twice"
    if any(one == other for one, other in pairwise(told)):
        return "a block is told twice"
    if any(type(number) is not int or number < 0 for number in numbers):
        return "it costs less than nothing"
    if not all(isinstance(piece.text, str) for piece in pieces):
        return "a piece is no text"
    for event in blocks:
        codec.encode(event.block)
        if event.block["type"] == "tool_use" and not isinstance(event.block["input"], dict):
            return "an input is no object"
    return None


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize(
    "cases",
    [streams.bytes_of_no_kind, streams.disordered, streams.with_wrong_values],
    ids=lambda each: each.__name__,
)
def test_stream_is_a_sound_answer_or_a_trouble_in_words(
    ask: Ask, cases: Callable[[], Iterator[tuple[str, bytes]]]
) -> None:
    for name, data in cases():
        told = ask(data)
        if isinstance(told, Broken):
            assert 0 < len(told.trouble.text) <= 500, name
        else:
            assert fault_of(told) is None, name


def test_the_good_answer_is_understood_and_what_may_be_missing_may(ask: Ask) -> None:
    events = streams.good()
    for data in (
        streams.wired(events),
        streams.wired([{"type": "ping"}, *events, {"type": "news"}]),
        streams.wired(events).replace(b"\n", b"\r\n"),
        streams.wired([*events[:4], events[3], *events[4:]]),  # the end of a block said twice
    ):
        told = ask(data)
        assert not isinstance(told, Broken), told
        blocks = [event.block for event in told if isinstance(event, Whole)]
        assert [block["type"] for block in blocks] == ["text", "tool_use"]
        assert blocks[1]["input"] == {"result": "all done"}


def test_agents_ask_again_and_do_nothing_twice(tmp_path: Path) -> None:
    steps: list[dict[str, Any]] = [
        {"tools": [{"name": "bash", "input": {"command": "echo once >> f"}}]},
        {"tools": [{"name": "finish", "input": {"result": "all done"}}]},
    ]
    rules = make_rules({"rule": [{"reply": steps}]})

    def script(request: LoopbackRequest) -> ScriptedReply:
        raw = next(data for name, data in ASKED_TWICE if f"agent of {name}" in request.system)
        return ScriptedReply(raw=raw) if request.of_conversation in (1, 3) else rules(request)

    with LoopbackServer(script, with_bodies=True) as server:
        orchestra = Orchestra(tmp_path)
        own = {
            "kind": "anthropic",
            "model": "m",
            "base_url": server.url,
            "stall_s": 20,
            "price": {"input": 1},
        }
        try:
            orchestra.run({name: {**own, "role": f"You are the agent of {name}."} for name, _ in ASKED_TWICE})
            orchestra.wait_rest("done")
            orchestra.assert_sound()
        finally:
            orchestra.end_all()
    for name, _ in ASKED_TWICE:
        lines = [line.fields() for line in all_lines(orchestra.tree, name)]
        assert len([line for line in lines if line["type"] == "broken"]) == 2, name
        assert [line["id"] for line in lines if line["type"] == "tool_call"], name
        workspace = orchestra.tree.agent(name).workspace
        assert (workspace / "f").read_text() == "once\n", name
        assert orchestra.task(name)["result"] == "all done", json.dumps(lines)[:2000]
        stderr = orchestra.tree.agent(name).attempt(1).stderr
        assert not stderr.exists() or b"Traceback" not in stderr.read_bytes(), name
