"""The server as a client sees it: over real sockets, byte for byte where it matters."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from maos_sup.loopback.reply import FaultKind, PlannedFault, ReplyPace, ScriptedReply, call, fail, say
from maos_sup.loopback.request import LoopbackRequest
from maos_sup.loopback.server import LoopbackServer

HELLO = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}


def post(server: LoopbackServer, body: Any, path: str = "/v1/messages?beta=true") -> tuple[int, bytes, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rsplit(":", 1)[1]), timeout=10)
    try:
        connection.request("POST", path, json.dumps(body), {"x-api-key": "k", "Idempotency-Key": "one"})
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


def events_in(data: bytes) -> list[dict[str, Any]]:
    lines = data.decode().split("\n")
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


def test_answers_whole_message_without_streaming() -> None:
    with LoopbackServer(lambda request: say("hi " + request.first_user)) as server:
        status, data, _ = post(server, HELLO)
        answer = json.loads(data)
    assert (status, answer["content"], answer["stop_reason"]) == (
        200,
        [{"type": "text", "text": "hi hello"}],
        "end_turn",
    )
    assert answer["usage"]["output_tokens"] > 0


def test_streams_text_and_tool_input_in_pieces() -> None:
    reply = call("bash", {"command": "ls"}, text="look", pace=ReplyPace(chunk_chars=3))
    with LoopbackServer(lambda _: reply) as server:
        events = events_in(post(server, HELLO | {"stream": True})[1])
    assert [event["type"] for event in events[:2]] == ["message_start", "content_block_start"]
    text = "".join(e["delta"].get("text", "") for e in events if e["type"] == "content_block_delta")
    tool = "".join(e["delta"].get("partial_json", "") for e in events if e["type"] == "content_block_delta")
    assert (text, json.loads(tool)) == ("look", {"command": "ls"})
    assert events[-2]["delta"]["stop_reason"] == "tool_use"
    assert events[-1] == {"type": "message_stop"}


def test_error_carries_status_type_and_retry_after() -> None:
    with LoopbackServer(lambda _: fail(429, retry_after_s=3)) as server:
        status, data, headers = post(server, HELLO | {"stream": True})
    assert (status, headers["retry-after"]) == (429, "3")
    assert json.loads(data)["error"]["type"] == "rate_limit_error"


def test_truncated_stream_ends_cleanly_without_stop_reason() -> None:
    fault = PlannedFault(kind=FaultKind.TRUNCATE, after_chunks=2)
    with LoopbackServer(lambda _: say("abcdef", pace=ReplyPace(chunk_chars=1), fault=fault)) as server:
        events = events_in(post(server, HELLO | {"stream": True})[1])
        assert server.log.answers("truncate")
    assert sum(event["type"] == "content_block_delta" for event in events) == 2
    assert all(event["type"] != "message_delta" for event in events)


@pytest.mark.parametrize("after_chunks", [None, 2])
def test_dropped_connection_breaks_the_read(after_chunks: int | None) -> None:
    fault = PlannedFault(kind=FaultKind.DROP, after_chunks=after_chunks)
    with (
        LoopbackServer(lambda _: say("abcdef", pace=ReplyPace(chunk_chars=1), fault=fault)) as server,
        pytest.raises((ConnectionError, http.client.HTTPException)),
    ):
        post(server, HELLO | {"stream": True})


def test_error_in_the_middle_of_a_stream_is_an_event() -> None:
    fault = PlannedFault(kind=FaultKind.STREAM_ERROR, status=529, after_chunks=1)
    with LoopbackServer(lambda _: say("abcdef", pace=ReplyPace(chunk_chars=1), fault=fault)) as server:
        status, data, _ = post(server, HELLO | {"stream": True})
    assert (status, events_in(data)[-1]["error"]["type"]) == (200, "overloaded_error")


def test_stalled_stream_does_not_hold_up_the_end_of_the_server() -> None:
    fault = PlannedFault(kind=FaultKind.STALL, after_chunks=1)
    with LoopbackServer(lambda _: say("abcdef", pace=ReplyPace(chunk_chars=1), fault=fault)) as server:
        connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rsplit(":", 1)[1]), timeout=0.3)
        connection.request("POST", "/v1/messages", json.dumps(HELLO | {"stream": True}))
        with pytest.raises(TimeoutError):
            connection.getresponse().read()
        connection.close()
        begun = time.monotonic()
    assert time.monotonic() - begun < 5


def test_slow_tokens_come_at_their_pace() -> None:
    pace = ReplyPace(chunk_chars=1, chunk_delay_s=0.05)
    with LoopbackServer(lambda _: say("abcd", pace=pace)) as server:
        begun = time.monotonic()
        post(server, HELLO | {"stream": True})
    assert time.monotonic() - begun >= 0.2


def test_unchanged_prefix_is_read_from_the_cache() -> None:
    first = HELLO | {"cache_control": {"type": "ephemeral"}, "system": "s" * 400}
    longer = first | {
        "messages": [
            *HELLO["messages"],  # type: ignore[misc]
            {"role": "assistant", "content": "hi"},
            {"role": "user", "content": "more"},
        ]
    }
    with LoopbackServer(lambda _: say("hi")) as server:
        bodies = (first, longer, longer | {"system": "x"})
        usages = [json.loads(post(server, body)[1])["usage"] for body in bodies]
    assert usages[0]["cache_read_input_tokens"] == 0 < usages[0]["cache_creation_input_tokens"]
    assert usages[1]["cache_read_input_tokens"] > 100
    assert usages[2]["cache_read_input_tokens"] == 0


REFUSED = [
    ({"max_tokens": 1, "messages": []}, "model"),
    (HELLO | {"messages": [{"role": "assistant", "content": "x"}]}, "first message"),
    (HELLO | {"messages": [{"role": "user", "content": " "}]}, "non-whitespace"),
    (
        HELLO
        | {
            "messages": [
                {"role": "user", "content": "x"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "n", "input": {}}]},
                {"role": "user", "content": "no result"},
            ]
        },
        "tool_result",
    ),
    (
        HELLO
        | {
            "messages": [
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}
            ]
        },
        "unexpected",
    ),
]


@pytest.mark.parametrize(("body", "why"), REFUSED)
def test_refuses_what_the_real_api_refuses(body: Any, why: str) -> None:
    with LoopbackServer(lambda _: say("hi")) as server:
        status, data, _ = post(server, body)
    assert status == 400
    assert why in json.loads(data)["error"]["message"]


def test_counts_tokens_and_answers_probes() -> None:
    with LoopbackServer(lambda _: say("hi")) as server:
        assert json.loads(post(server, HELLO, "/v1/messages/count_tokens?beta=true")[1])["input_tokens"] > 0
        connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rsplit(":", 1)[1]), timeout=5)
        connection.request("HEAD", "/")
        assert connection.getresponse().status == 200
        connection.close()


def test_wrong_key_is_refused_where_one_is_asked_for() -> None:
    with LoopbackServer(lambda _: say("hi"), api_key="right") as server:
        assert post(server, HELLO)[0] == 401


def test_log_tells_equal_requests_by_their_digest(tmp_path: Path) -> None:
    with LoopbackServer(lambda _: say("hi"), log=tmp_path / "log.jsonl") as server:
        post(server, HELLO)
        post(server, HELLO | {"stream": True})
        post(server, HELLO | {"system": "other"})
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    digests = [entry["digest"] for entry in entries if entry["what"] == "request"]
    assert digests[0] == digests[1] != digests[2]
    assert entries[0]["key"] == "one"
    assert [entry["outcome"] for entry in entries if entry["what"] == "answer"] == ["complete"] * 3


def test_same_request_gets_the_same_tool_ids() -> None:
    def script(request: LoopbackRequest) -> ScriptedReply:
        return call("bash", {"command": "ls"})

    with LoopbackServer(script) as server:
        ids = [json.loads(post(server, HELLO)[1])["content"][0]["id"] for _ in range(2)]
    assert ids[0] == ids[1]


def test_program_tells_its_url_and_answers(tmp_path: Path) -> None:
    script = tmp_path / "script.toml"
    script.write_text('[[rule]]\nreply = [{ text = "from a file" }]\n')
    command = [sys.executable, "-m", "maos_sup.loopback", "--script", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            port = int(program.stdout.readline().rsplit(":", 1)[1])
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("POST", "/v1/messages", json.dumps(HELLO))
            answer = json.loads(connection.getresponse().read())
            connection.close()
        finally:
            program.terminate()
    assert answer["content"][0]["text"] == "from a file"
    assert program.returncode == 0


def test_note_of_the_system_within_the_conversation_is_taken() -> None:
    messages = [{"role": "user", "content": "hello"}, {"role": "system", "content": "a note"}]
    with LoopbackServer(lambda request: say(request.last_user)) as server:
        status, data, _ = post(server, HELLO | {"messages": messages})
    assert (status, json.loads(data)["content"][0]["text"]) == (200, "hello")
