"""What models and tools said goes into spans where that is asked for, without secrets, and cut to size."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from otlp_receiver import Receiver, told
from recorded import answer, asked, lived, made_tree, task

from maos_sup.cli import main
from maos_sup.traces.content import MOST_CHARS, MOST_VALUE_CHARS
from state_layout.paths import Tree

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
SECRET = "one-that-nobody-may-see"
KEY = "sk-ant-" + "a1B2" * 8
INPUT, OUTPUT = "gen_ai.input.messages", "gen_ai.output.messages"


def prompt(*blocks: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "turn", {"task": "count", "run": 1, "n": 0, "role": "user", "content": [*blocks]}


def block(key: str, index: int, value: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "block", {"key": key, "index": index, "block": value}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Alice thinks, calls a tool, tries in vain, is told a long thing; bob's program tells texts."""
    made = made_tree(
        tmp_path,
        {
            "alice": {"kind": "anthropic", "env": {"ITS_TOKEN": SECRET}},
            "bob": {"kind": "claude"},
        },
    )
    use = {"type": "tool_use", "id": "c", "name": "bash", "input": {"line": f"login {SECRET}"}}
    given = {"task": "count", "run": 1, "id": "c", "name": "bash", "content": f"in as {KEY}\x1b[31m"}
    broken = {"task": "count", "run": 1, "key": "b", "why": "cut", "waste": {}, "cost_usd": 0.25, "tokens": 9}
    first = [
        task("count", "running"),
        prompt({"type": "text", "text": "Count them"}),
        asked("count", "a"),
        block("a", 1, use),
        block("a", 0, {"type": "thinking", "thinking": "well", "signature": "s"}),
        answer("count", "a", stop_reason="tool_use", blocks=2, model="claude-x"),
        ("tool_call", {"task": "count", "run": 1, "id": "c", "name": "bash", "token": "t"}),
        ("tool_result", given),
        prompt({"type": "tool_result", "tool_use_id": "c"}, {"type": "text", "text": "w" * 3 * MOST_CHARS}),
        asked("count", "b"),
        block("b", 0, {"type": "text", "text": "half"}),
        ("broken", broken),
    ]
    lived(made, "alice", first, reason=None)
    whole = [asked("count", "e"), block("e", 0, {"type": "text", "text": "Three"})]
    lived(made, "alice", [task("count", "running"), *whole, answer("count", "e"), task("count", "done")])
    call = {"task": "report", "run": 1, "id": "d", "name": "Read", "input": {"path": "x" * 2 * MOST_CHARS}}
    results = [
        ("tool_result", {"task": "report", "run": 1, "id": f"d{n}", "content": "r" * MOST_CHARS})
        for n in range(9)
    ]
    lived(
        made,
        "bob",
        [
            task("report", "running"),
            answer("report", "m1", text="I look"),
            ("tool_call", call),
            ("tool_result", {"task": "report", "run": 1, "id": "d", "content": ""}),
            *results,
            answer("report", "m2", text="Nothing there", stop_reason="end_turn"),
            task("report", "done"),
        ],
    )
    return made


def sent(tree: Tree, receiver: Receiver, *words: str) -> list[dict[str, Any]]:
    receiver.bodies.clear()
    assert main(["trace", str(tree.root), "--to", receiver.url, *words]) == 0
    return receiver.spans()


def messages(span: dict[str, Any], name: str) -> Any:
    return json.loads(told(span)[name])


@pytest.mark.parametrize("names", ["1.37", "0.1"])
def test_answers_and_calls_say_what_was_said(tree: Tree, receiver: Receiver, names: str) -> None:
    spans = sent(tree, receiver, "--content", "--names", names)
    (first,) = [span for span in spans if span["name"] == "chat claude-x"]
    assert messages(first, INPUT) == [{"role": "user", "parts": [{"type": "text", "content": "Count them"}]}]
    use = {"type": "tool_call", "id": "c", "name": "bash", "arguments": {"line": "login [redacted]"}}
    assert messages(first, OUTPUT) == [
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": "well"}, use],
            "finish_reason": "tool_call",
        }
    ]
    (call,) = [span for span in spans if span["name"] == "execute_tool bash"]
    assert told(call)["gen_ai.tool.call.id"] == "c"
    has_names = names == "0.1"
    assert (
        ("gen_ai.tool.call.arguments" in told(call)) == ("gen_ai.tool.call.result" in told(call)) == has_names
    )
    if has_names:
        assert json.loads(told(call)["gen_ai.tool.call.arguments"]) == {"line": "login [redacted]"}
        assert told(call)["gen_ai.tool.call.result"] == "in as [redacted]"
    (vain,) = [span for span in spans if told(span).get("error.type") == "failed"]
    (result, new) = messages(vain, INPUT)
    response = {"type": "tool_call_response", "id": "c", "response": "in as [redacted]"}
    assert result == {"role": "tool", "parts": [response]}
    assert new["parts"][0]["content"].endswith(f"[... {2 * MOST_CHARS} characters left out]")
    assert messages(vain, OUTPUT) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "half"}], "finish_reason": "error"}
    ]
    (again,) = [span for span in spans if "Three" in str(told(span).get(OUTPUT))]
    assert messages(again, INPUT) == [result, new], "what a try in vain was told, the next one is told"


def test_content_is_of_bounded_size_and_has_no_secret(tree: Tree, receiver: Receiver) -> None:
    spans = sent(tree, receiver, "--content", "--names", "0.1")
    body = json.dumps(receiver.bodies)
    assert SECRET not in body and KEY not in body and "\\u001b" not in body.lower()
    assert {key for span in spans for key in told(span)} >= {INPUT, OUTPUT}
    longest = max(len(str(value)) for span in spans for value in told(span).values())
    assert MOST_VALUE_CHARS / 2 < longest < MOST_VALUE_CHARS + 1_000
    (last,) = [span for span in spans if "Nothing there" in str(told(span).get(OUTPUT))]
    (tools,) = messages(last, INPUT)
    left_out = re.fullmatch(r"\[\.\.\. (\d) earlier parts left out\]", tools["parts"][0]["content"])
    assert left_out is not None and int(left_out[1]) + len(tools["parts"]) - 1 == 10


@pytest.mark.parametrize(
    "word, is_told",
    [
        ("", False),
        ("NO_CONTENT", False),
        ("event_only", False),
        ("SPAN_ONLY", True),
        ("span_and_event", True),
    ],
)
def test_usual_variable_asks_for_content(
    tree: Tree, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, word: str, is_told: bool
) -> None:
    monkeypatch.setenv(CAPTURE, word)
    assert any(INPUT in told(span) for span in sent(tree, receiver)) == is_told
    assert not any(INPUT in told(span) for span in sent(tree, receiver, "--no-content"))


def test_word_of_the_variable_that_is_none_is_named(
    tree: Tree, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(CAPTURE, "yes please")
    assert main(["trace", str(tree.root), "--to", receiver.url]) == 2
    assert f"{CAPTURE} is 'yes please'; use SPAN_ONLY" in capsys.readouterr().err
    assert not receiver.bodies


def test_spans_are_the_same_with_content_and_without(tree: Tree, receiver: Receiver) -> None:
    def bare(span: dict[str, Any]) -> dict[str, Any]:
        content = (INPUT, OUTPUT, "gen_ai.tool.call.id")
        return {**span, "attributes": [one for one in span["attributes"] if one["key"] not in content]}

    plain = sent(tree, receiver)
    assert [bare(span) for span in sent(tree, receiver, "--content")] == plain
