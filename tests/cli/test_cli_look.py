"""Commands that read: on trees that nobody works on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cli_trees import new_tree
from living import MAOS_SUP

from maos_sup.cli.messages import moment_of
from state_layout.errors import BadInput
from state_layout.paths import Tree
from state_layout.specs import edit_spec
from state_layout.tree.making import create_tree

Call = Callable[..., Any]


@pytest.mark.parametrize(
    "words", [["status"], ["list"], ["messages"], ["logs"], ["checkpoint"], ["check"], ["version"]]
)
def test_json_is_one_object_on_everything_that_reads(call: Call, tree: Tree, words: list[str]) -> None:
    where = [] if words[0] in ("list", "version") else [str(tree.root)]
    answer = call(*words, *where, "--json")
    assert answer.code == 0, answer.err
    assert isinstance(json.loads(answer.out), dict)


def test_status_is_found_by_directory_id_and_beginning(call: Call, tree: Tree) -> None:
    for name in (str(tree.root), tree.root.name, "20261121"):
        assert call("status", name).out.startswith(tree.root.name)


def test_status_without_a_name_is_of_the_tree_around(
    call: Call, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree.agent_specs)
    assert call("status").out.startswith(tree.root.name)


@pytest.mark.parametrize("named", ["TREE", "nosuch", ""])
def test_status_without_options_says_what_it_says_with_them(tree: Tree, named: str) -> None:
    directory = str(tree.root) if named == "TREE" else named
    fast, whole = (
        subprocess.run([*MAOS_SUP, *words], capture_output=True, text=True, check=False)
        for words in (["status", directory], ["status", "--", directory])
    )
    assert (fast.returncode, fast.stdout, fast.stderr) == (whole.returncode, whole.stdout, whole.stderr)


def test_status_without_options_does_not_import_what_reads_them(tree: Tree) -> None:
    code = "import sys; from maos_sup.cli import main; main(); sys.exit('click' in sys.modules)"
    words = [sys.executable, "-c", code, "status", str(tree.root)]
    answer = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith(tree.root.name)


def test_status_parts_can_be_chosen(call: Call, tree: Tree) -> None:
    assert "TASK " not in call("status", tree.root.name, "--agents").out.replace("TASK  DONE", "")
    assert "alice" not in call("status", tree.root.name, "--messages").out
    assert "NEEDS" in call("status", tree.root.name, "--tasks").out


def test_status_has_no_control_characters(call: Call, home: Path) -> None:
    create_tree(
        home / "odd",
        orchestration={"id": "odd", "request": "clear \x1b[2J me"},
        agents={"a": {"kind": "command", "command": ["true"], "role": "\x1b[1m"}},
        tasks={"t": {"agent": "a", "description": "\x1b[2J"}},
    )
    assert "\x1b" not in call("status", "odd").out
    assert "\x1b" not in call("list").out


@pytest.mark.parametrize(
    ("name", "code", "part"), [("nothing", 10, "no folder"), (".", 10, "FORMAT"), ("/etc/passwd", 10, "file")]
)
def test_what_is_no_tree_is_exit_code_10(call: Call, tree: Tree, name: str, code: int, part: str) -> None:
    answer = call("status", name)
    assert (answer.code, answer.out) == (code, "")
    assert part in answer.err


def test_newer_tree_is_refused(call: Call, tree: Tree) -> None:
    tree.format.write_text("maos-sup 99\n")
    answer = call("status", str(tree.root))
    assert answer.code == 10
    assert "newer" in answer.err


def test_list_shows_the_newest_first_and_filters(call: Call, home: Path, tree: Tree) -> None:
    new_tree(home, "20261122-0100-later-aaaa", want="pause")
    lines = call("list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["ID", "20261122-0100-later-aaaa", tree.root.name]
    paused = json.loads(call("list", "--status", "paused", "--json").out)["orchestrations"]
    assert [row["id"] for row in paused] == ["20261122-0100-later-aaaa"]
    assert len(json.loads(call("list", "--limit", "1", "--json").out)["orchestrations"]) == 1


@pytest.mark.parametrize(
    "words", [["list"], ["status"], ["status", "2026"], ["cleanup", "--older-than", "3"]]
)
def test_home_that_cannot_be_read_is_an_error(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    home = tmp_path / "file"
    home.touch()
    monkeypatch.setenv("MAOS_SUP_HOME", str(home))
    answer = call(*words)
    assert (answer.code, answer.out) == (1, "")
    why = "Not a directory; something else stands in the place of a folder; name another place"
    assert answer.err == f"maos-sup: {home}: cannot list: {why}\n"


def test_list_names_a_tree_that_cannot_be_read(call: Call, tree: Tree) -> None:
    tree.orchestration_spec.write_text("{")
    answer = call("list")
    assert answer.code == 0
    assert "unreadable" in answer.out


def test_maos_names_are_accepted(call: Call, tree: Tree) -> None:
    assert call("orchestration", "list").out == call("list").out
    assert call("orchestration", "status", tree.root.name).code == 0
    assert call("orchestration", "checkpoint", tree.root.name).code == 0


def test_unknown_agent_of_logs_is_named(call: Call, tree: Tree) -> None:
    answer = call("logs", tree.root.name, "alise")
    assert answer.code == 2
    assert "'alice'" in answer.err


def test_logs_take_an_agent_of_the_default_tree(call: Call, tree: Tree) -> None:
    stdout = tree.agent("alice").attempt(1).stdout
    stdout.parent.mkdir(parents=True)
    stdout.write_text("one\ntwo\n")
    assert call("logs", "alice").out == "one\ntwo\n"
    assert call("logs", tree.root.name, "alice", "-n", "1").out == "two\n"
    assert call("logs", tree.root.name).out == "alice| one\nalice| two\n"
    lines = json.loads(call("logs", tree.root.name, "--json").out)["lines"]
    assert lines[0] == {"agent": "alice", "attempt": 1, "stream": "stdout", "text": "one"}


def test_logs_of_an_attempt_that_never_was_are_refused(call: Call, tree: Tree) -> None:
    answer = call("logs", tree.root.name, "alice", "--attempt", "9")
    assert (answer.code, answer.err) == (2, "maos-sup: no attempt 9; there is none yet\n")
    stdout = tree.agent("alice").attempt(2).stdout
    stdout.parent.mkdir(parents=True)
    stdout.write_text("one\n")
    answer = call("logs", tree.root.name, "alice", "--attempt", "9")
    assert (answer.code, answer.err) == (2, "maos-sup: no attempt 9; use 1 to 2\n")
    assert call("logs", tree.root.name, "alice", "--attempt", "2").out == "one\n"


def test_messages_are_shown_and_filtered(call: Call, tree: Tree) -> None:
    assert call("send", tree.root.name, "alice", "focus on auth").code == 0
    assert "operator -> alice info: focus on auth" in call("messages", tree.root.name).out
    assert call("messages", tree.root.name, "--to", "bob").out == ""
    assert "focus" in call("messages", tree.root.name, "--since", "1h").out
    assert call("messages", tree.root.name, "--to", "../../etc").code == 2


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("10m", "2026-11-21T11:50:00.000000Z"),
        ("1.5 h", "2026-11-21T10:30:00.000000Z"),
        ("2d", "2026-11-19T12:00:00.000000Z"),
        ("2026-11-21T10:00:00+02:00", "2026-11-21T08:00:00.000000Z"),
    ],
)
def test_since_takes_ages_and_times(text: str, moment: str) -> None:
    assert moment_of(text, now=datetime(2026, 11, 21, 12, tzinfo=UTC)) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "10 parsecs", "99999999999d"])
def test_since_refuses_the_rest(text: str) -> None:
    with pytest.raises(BadInput, match="use an age"):
        moment_of(text, now=datetime(2026, 11, 21, 12, tzinfo=UTC))


def test_checkpoint_says_from_where_agents_go_on(call: Call, tree: Tree) -> None:
    call("send", tree.root.name, "bob", "hello")
    out = call("checkpoint", tree.root.name).out
    assert re.search(r"tasks: 0 of 2 done, 2 left", out)
    assert "bob: begins its next task from the beginning, 1 message waits for it" in out


def test_messages_to_who_has_nothing_left_to_do_are_not_unread(call: Call, tree: Tree) -> None:
    call("send", tree.root.name, "bob", "hello")
    assert "messages: 0 sent by agents, 1 by people, 1 unread" in call("checkpoint", tree.root.name).out
    for task in ("count", "report"):
        edit_spec(tree, tree.task_spec(task), lambda spec: {**spec, "want": "skip"})
    assert "messages: 0 sent by agents, 1 by people\n" in call("checkpoint", tree.root.name).out
    assert json.loads(call("checkpoint", tree.root.name, "--json").out)["undelivered"] == 0


def test_status_of_a_hundred_agents_is_whole(home: Path) -> None:
    tree = create_tree(
        home / "many",
        orchestration={"id": "many", "request": "many"},
        agents={f"a{n}": {"kind": "command", "command": ["true"]} for n in range(100)},
        tasks={f"t{n}": {"agent": f"a{n}"} for n in range(100)},
    )
    done = subprocess.run(
        [*MAOS_SUP, "status", str(tree.root), "--json"], check=True, capture_output=True, timeout=60
    )
    assert len(json.loads(done.stdout)["agents"]) == 100


def test_terminal_that_cannot_show_a_character_gets_a_question_mark(home: Path) -> None:
    create_tree(
        home / "odd",
        orchestration={"id": "odd", "request": "größer …"},
        agents={"a": {"kind": "command", "command": ["true"]}},
        tasks={"t": {"agent": "a"}},
    )
    done = subprocess.run(
        [sys.executable, "-m", "maos_sup", "status", "odd"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0
    assert b"gr??er ?" in done.stdout


def test_agent_that_is_held_is_said_to_stay(call: Call, tree: Tree) -> None:
    call("pause", tree.root.name, "--agent", "alice")
    assert "alice: stays as it is: pause is wanted" in call("checkpoint", tree.root.name).out
