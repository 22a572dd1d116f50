"""Spans at a real receiver on loopback: what was recorded, under the same ids however often it is sent."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from orchestra import Orchestra
from otlp_receiver import Receiver, told
from recorded import answer, asked, lived, made_tree, task

from maos_sup.cli import main
from state_layout.paths import Tree

SECRET_TEXT = "nobody else reads this"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Alice asks a model, runs a tool, dies, goes on and writes to bob, who reads that and fails."""
    made = made_tree(tmp_path, {"alice": {"kind": "anthropic"}, "bob": {"kind": "anthropic"}})
    begun = ("begun", {"task": "count", "run": 1, "key": "a", "model": "claude-x", "usage": {}})
    call = ("tool_call", {"task": "count", "run": 1, "id": "c", "name": "bash", "token": "t"})
    told = ("tool_result", {"task": "count", "run": 1, "id": "c", "name": "bash", "content": SECRET_TEXT})
    usage = {"input_tokens": 60, "cache_read_input_tokens": 10, "output_tokens": 30}
    lived(
        made,
        "alice",
        [task("count", "running"), asked("count", "a"), begun, answer("count", "a", usage=usage)],
        reason=None,
    )
    sent = {"to": "bob", "n": 1, "type": "info", "text": SECRET_TEXT}
    lived(
        made,
        "alice",
        [task("count", "running"), call, told, task("count", "done", sent=[sent], result=SECRET_TEXT)],
    )
    lived(
        made,
        "bob",
        [
            task("report", "running"),
            ("received", {"received": {"bob/alice": [1, 9, "x"]}}),
            task("report", "failed", error=SECRET_TEXT),
        ],
    )
    return made


def test_spans_are_a_tree_with_names_of_the_conventions(tree: Tree, receiver: Receiver) -> None:
    assert main(["trace", str(tree.root), "--to", receiver.url]) == 0
    spans = {span["spanId"]: span for span in receiver.spans()}
    names = sorted(span["name"] for span in spans.values())
    assert names == [
        "chat claude-x",
        "execute_tool bash",
        *["invoke_agent alice"] * 2,
        "invoke_agent bob",
        *["task count"] * 2,
        "task report",
    ]
    (model,) = [span for span in spans.values() if span["name"] == "chat claude-x"]
    assert told(model) | {"gen_ai.usage.input_tokens": "70", "gen_ai.usage.output_tokens": "30"} == told(
        model
    )
    assert told(model)["gen_ai.provider.name"] == "anthropic" and model["kind"] == 3
    above = spans[model["parentSpanId"]]
    assert (above["name"], spans[above["parentSpanId"]]["name"]) == ("task count", "invoke_agent alice")
    assert len({span["traceId"] for span in spans.values()}) == 1
    assert all(int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"]) for span in spans.values())
    (read,) = [span for span in spans.values() if span["name"] == "task report"]
    assert [spans[link["spanId"]]["name"] for link in read["links"]] == ["task count"]
    assert (read["status"]["code"], told(read)["error.type"]) == (2, "failed")


def test_no_text_of_agents_is_sent(tree: Tree, receiver: Receiver) -> None:
    assert main(["trace", str(tree.root), "--to", receiver.url]) == 0
    assert SECRET_TEXT not in json.dumps(receiver.bodies)


def test_what_is_sent_again_is_the_same(tree: Tree, receiver: Receiver) -> None:
    for _ in range(2):
        assert main(["trace", str(tree.root), "--to", receiver.url]) == 0
    spans = receiver.spans()
    half = len(spans) // 2
    assert spans[:half] == spans[half:]
    assert len({span["spanId"] for span in spans}) == half


def test_both_versions_of_the_names_are_known(
    tree: Tree, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keys() -> set[str]:
        receiver.bodies.clear()
        assert main(["trace", str(tree.root), "--to", receiver.url]) == 0
        return {key for span in receiver.spans() for key in told(span)}

    assert "gen_ai.usage.cache_read.input_tokens" not in keys()
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http,gen_ai_latest_experimental")
    assert "gen_ai.usage.cache_read.input_tokens" in keys()


def test_bodies_are_what_a_collector_parses(tree: Tree, receiver: Receiver) -> None:
    json_format = pytest.importorskip("google.protobuf.json_format")
    service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    assert main(["trace", str(tree.root), "--to", receiver.url]) == 0

    def as_protobuf(value: Any, key: str = "") -> Any:
        """The same, with ids in base64, as JSON of protobuf has bytes; OTLP has them in hexadecimal."""
        if isinstance(value, dict):
            return {name: as_protobuf(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [as_protobuf(item) for item in value]
        is_id = key in ("traceId", "spanId", "parentSpanId")
        return base64.b64encode(bytes.fromhex(value)).decode() if is_id else value

    for body in receiver.bodies:
        parsed = json_format.ParseDict(as_protobuf(body), service.ExportTraceServiceRequest())
        (scope,) = parsed.resource_spans[0].scope_spans
        assert {(len(span.trace_id), len(span.span_id)) for span in scope.spans} == {(16, 8)}


def test_collector_that_is_busy_is_asked_again_and_one_that_refuses_is_named(
    tree: Tree, receiver: Receiver, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b")
    receiver.refusals = [503]
    assert main(["trace", str(tree.root)]) == 0
    assert receiver.headers[0]["x-key"] == "a b"
    receiver.refusals = [400]
    assert main(["trace", str(tree.root)]) == 1
    assert "said 400" in capsys.readouterr().err


def test_collector_that_is_not_there_is_named(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    assert main(["trace", str(tree.root), "--to", url]) == 1
    assert "cannot be reached (Connection refused); is a collector there?" in capsys.readouterr().err


def test_line_that_says_no_number_is_sent_all_the_same(tmp_path: Path, receiver: Receiver) -> None:
    """Lines are taken at their own word here; `check` is what names the damage."""
    made = made_tree(tmp_path)
    attempt = lived(made, "alice", [task("count", "running"), task("count", "done")])
    journal = made.agent("alice").attempt(attempt.number).journal
    journal.write_text(journal.read_text().replace('"run":1', '"run":"x"'))
    assert main(["trace", str(made.root), "--to", receiver.url]) == 0
    assert receiver.spans()


@pytest.mark.parametrize(
    ("url", "code"),
    [("http://127.0.0.1:abc", 2), ("http://[::1", 2), ("http://127.0.0.1:70000", 2), ("http://a b", 1)],
)
def test_address_that_is_none_is_named(
    tree: Tree, capsys: pytest.CaptureFixture[str], url: str, code: int
) -> None:
    assert main(["trace", str(tree.root), "--to", url]) == code
    assert "use a URL like http://127.0.0.1:4318" in capsys.readouterr().err


def test_server_that_speaks_something_else_is_named(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    """As port 4317 does, which collectors have for gRPC."""
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer_once() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"\0\0\x06\4\0\0\0\0\0\0\5\0\0\x40\0")

        thread = threading.Thread(target=answer_once)
        thread.start()
        assert main(["trace", str(tree.root), "--to", f"http://127.0.0.1:{other.getsockname()[1]}"]) == 1
        thread.join(60)
    assert "4318" in capsys.readouterr().err


def test_trace_of_a_living_run_is_the_one_that_is_made_of_its_records(
    orchestra: Orchestra, receiver: Receiver
) -> None:
    gate = "while [ ! -e $OUT/go ]; do sleep 0.05; done"
    orchestra.start({"alice": "echo one", "bob": gate})
    orchestra.wait(
        lambda: orchestra.phase() == "running" and orchestra.agent("alice")["phase"] == "done",
        "alice is done",
    )
    follower = subprocess.Popen(
        [sys.executable, "-m", "maos_sup", "trace", str(orchestra.root), "--to", receiver.url, "-f"],
        env=orchestra.environment,
    )
    orchestra.wait(lambda: bool(receiver.spans()), "the first spans")
    orchestra.say("go")
    orchestra.wait_rest("done")
    assert follower.wait(timeout=60) == 0
    live = {span["spanId"]: span for span in receiver.spans()}
    assert len(live) == len(receiver.spans()), "each once"
    receiver.bodies.clear()
    assert main(["trace", str(orchestra.root), "--to", receiver.url]) == 0
    assert {span["spanId"]: span for span in receiver.spans()} == live
    assert [span["name"] for span in live.values() if "parentSpanId" not in span]
