"""Naughty names and texts: they come back as they were, or are refused in words; no terminal obeys them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ordeal import Ordeal, call
from torments import corpus, large, naughty

from maos_sup.agents.control.control_lines import BadLine, parse
from maos_sup.agents.registry import kind_shapes
from maos_sup.planner.plan import load_plan
from maos_sup.views.files import printable
from state_layout.errors import BadInput, LayoutError
from state_layout.files import codec
from state_layout.mail.operator_mail import append_operator_message, read_operator_file
from state_layout.paths import Tree, checked_name, is_name
from state_layout.tree.making import create_tree

ORDERS = "\x1b[2J\x1b]0;owned\x07\x9b31m\x85\u202e"


@pytest.mark.parametrize("text", naughty(), ids=repr)
def test_message_comes_back_as_it_was_or_with_what_is_no_text_replaced(trial: Ordeal, text: str) -> None:
    tree = trial.tree
    path = tree.mail_file("bob", "operator")
    append_operator_message(tree, "bob", text=text, body={text: [text]})
    (entry,) = read_operator_file(path, (0, 0, ""), to="bob").entries
    whole = text.encode("utf-8", "replace").decode()
    assert entry.message is not None
    assert (entry.message.text, entry.message.body) == (whole, {whole: [whole]})


@pytest.mark.parametrize("name", naughty(), ids=repr)
def test_name_is_taken_or_refused_in_one_line_and_never_leads_out(trial: Ordeal, name: str) -> None:
    for words in (
        ("status", name),
        ("logs", str(trial.tree.root), name),
        ("send", str(trial.tree.root), name, "x"),
        ("pause", str(trial.tree.root), "--agent", name),
        ("set", str(trial.tree.root), f"agents/{name}.want", "pause"),
        ("answer", str(trial.tree.root), name, "yes"),
    ):
        if "\0" in "".join(words) or name.startswith("-"):
            continue  # no program can be given a zero; an option is an option
        told = trial.broken_by(words)
        assert told is None, told
    if not is_name(name):
        with pytest.raises(BadInput) as refused:
            checked_name(name, "agent")
        assert printable(str(refused.value)) == str(refused.value)


@given(st.text(), st.text())
def test_any_text_is_a_name_of_the_tree_or_refused(name: str, more: str) -> None:
    if is_name(name + more):
        assert Tree(Path("/t")).agent_spec(name + more).parent == Path("/t/spec/agents")


@given(st.binary(max_size=200) | st.sampled_from([*corpus().values(), *large().values()]))
def test_any_control_line_is_understood_or_refused_in_words(line: bytes) -> None:
    try:
        request = parse(line)
    except BadLine as refused:
        assert str(refused)
        return
    codec.encode({"verb": request.verb, "value": request.value, "more": request.more})


@given(
    st.binary(max_size=300) | st.sampled_from([*corpus().values(), *large().values()]),
    st.sampled_from(["json", "toml"]),
)
def test_any_plan_is_loaded_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, ending: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"plan.{ending}"
    path.write_bytes(data)
    with pytest.raises(LayoutError) as refused:
        load_plan(path, kinds=kind_shapes())
    assert "plan." in str(refused.value)


def test_deeply_nested_toml_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    for text in ("a = " + "[" * 100_000, "[" + ".".join("a" * 50_000) + "]", "a = " + "9" * 100_000):
        path.write_text(text)
        with pytest.raises(LayoutError, match=r"plan\.toml"):
            load_plan(path, kinds=kind_shapes())


def ordering_tree(root: Path) -> Tree:
    """A tree whose texts, output and messages are orders to a terminal."""
    tree = create_tree(
        root,
        orchestration={"id": f"x{ORDERS}", "request": f"Audit {ORDERS} this"},
        agents={"alice": {"kind": "command", "command": ["true"], "role": ORDERS}},
        tasks={"count": {"agent": "alice", "description": f"Count {ORDERS}"}},
    )
    attempt = tree.agent("alice").attempt(1)
    attempt.root.mkdir(parents=True)
    attempt.stdout.write_text(f"line {ORDERS} of output\n")
    asked = {"id": "alice-1", "task": "count", "at": "2026-11-21T01:00:00Z", "text": ORDERS}
    status = {"attempt": 1, "note": ORDERS, "reason": ORDERS, "last_discovery": ORDERS, "questions": [asked]}
    tree.agent("alice").status.write_text(json.dumps(status))
    notes = {"phase": "done", "notes": [ORDERS], "agents": {"alice": {"phase": "backoff", "reason": ORDERS}}}
    tree.supervisor_status.write_text(json.dumps(notes))
    (tree.agent_specs / "b\x1b[2J.json").write_text("{}")
    append_operator_message(tree, "all", text=f"message {ORDERS}", type="discovery")
    return tree


def shown_on_a_terminal(*words: str) -> str:
    """Give what a real terminal gets to see."""
    mine, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "maos_sup", *words], stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
    )
    os.close(theirs)
    parts = []
    try:
        while part := os.read(mine, 1 << 16):
            parts.append(part)
    except OSError:  # Linux: the last one hung up
        pass
    os.close(mine)
    assert process.wait(60) in (0, 2, 12)
    return b"".join(parts).decode()


@pytest.mark.parametrize("command", ["status", "logs", "messages", "checkpoint", "check", "status --json"])
def test_nothing_that_others_wrote_gives_a_terminal_orders(tmp_path: Path, command: str) -> None:
    tree = ordering_tree(tmp_path / "tree")
    verb, *options = command.split()
    told = shown_on_a_terminal(verb, str(tree.root), *options)
    assert told.strip()
    for order in ("\x1b", "\x07", "\x9b", "\x85", *("" if options else "\u202e")):
        assert order not in told, repr(told)


@pytest.mark.parametrize("words", [("list",), ("status", "TREE"), ("messages", "TREE"), ("check", "TREE")])
def test_nor_a_file_or_pipe_that_is_shown_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    tree = ordering_tree(tmp_path / "home" / "tree")
    monkeypatch.setenv("MAOS_SUP_HOME", str(tmp_path / "home"))
    answer = call(*(str(tree.root) if word == "TREE" else word for word in words))
    assert "\x1b" not in answer.out + answer.err
