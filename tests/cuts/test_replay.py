"""`replay` folds all records again: what follows passes, the first line that does not is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from lives import Life
from test_rollback import begun, chat, end, go, make

from maos_sup.cli import main
from maos_sup.cuts.take import take_cut
from state_layout.files.journal import Journal
from state_layout.paths import Tree

Team = dict[str, Life]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make(tmp_path / "tree")


def faults(tree: Tree, capfd: pytest.CaptureFixture[str], *words: str) -> dict[str, list[str]]:
    """By agent what does not follow, as the command says it."""
    capfd.readouterr()
    code = main(["replay", str(tree.root), "--json", *words])
    told = json.loads(capfd.readouterr().out)
    found = {agent: [fault["what"] for fault in each["faults"]] for agent, each in told.items()}
    assert code == (12 if any(found.values()) else 0)
    return {agent: what for agent, what in found.items() if what}


def test_all_follows_over_lives_compactions_and_a_rollback(
    tree: Tree, capfd: pytest.CaptureFixture[str]
) -> None:
    team = begun(tree)
    chat(team, "one")
    assert all([life.checkpoint() for life in team.values()])
    cut = take_cut(tree, by="operator", why="w", name="here")
    chat(team, "two")
    end(team)
    go(tree, cut.number)
    team = begun(tree)
    chat(team, "three")
    end(team)
    assert faults(tree, capfd, "--verify") == {}
    assert main(["replay", str(tree.root), "--until", "here"]) == 0
    assert "alice: 3 lines; no task begun; 2 messages sent, 2 read" in capfd.readouterr().out


def test_one_line_and_one_message_are_told_as_one(tree: Tree, capfd: pytest.CaptureFixture[str]) -> None:
    team = begun(tree)
    team["alice"].step("one", ("bob", "hello"))
    end(team)
    assert main(["replay", str(tree.root)]) == 0
    told = capfd.readouterr().out
    assert "alice: 2 lines; no task begun; 1 message sent, 0 read" in told
    assert "bob: 1 line; no task begun; 0 messages sent, 0 read" in told


def twice(tree: Tree, team: Team) -> None:
    team["bob"].step("one")


def mark_down(tree: Tree, team: Team) -> None:
    team["bob"].commit("received", received={"bob/alice": [0, 0, ""]})


def task_again(tree: Tree, team: Team) -> None:
    for phase in ("running", "done", "running"):
        team["bob"].commit("task", task="t", run=1, phase=phase)


def out_of_form(tree: Tree, team: Team) -> None:
    team["bob"].journal.record("task", {"task": "t", "run": 1, "phase": "flying"})


def number_again(tree: Tree, team: Team) -> None:
    team["bob"].journal.record("step", {"task": "t", "key": "x", "sent": [{"to": "alice", "n": 1}]})


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        (twice, "takes step 'one' of t#1 a second time"),
        (mark_down, "its mark on bob/alice goes down from 1 to 0"),
        (task_again, "begins task t again, which was done in the same run"),
        (out_of_form, "is not as FORMAT.md says"),
        (number_again, "sends number 1 to alice after 1"),
    ],
)
def test_first_line_that_does_not_follow_is_named(
    tree: Tree, capfd: pytest.CaptureFixture[str], harm: Callable[[Tree, Team], None], what: str
) -> None:
    team = begun(tree)
    chat(team, "one")
    harm(tree, team)
    team["bob"].journal.sync()
    found = faults(tree, capfd)
    assert list(found) == ["bob"] and what in found["bob"][0]
    main(["replay", str(tree.root)])
    assert "agents/bob/attempts/0001/journal.jsonl: seq " in capfd.readouterr().out
    end(team)


def ghost(tree: Tree, team: Team) -> None:
    team["bob"].commit("received", received={"bob/alice": [7, 700, "abc"]})


def mail_nobody_sent(tree: Tree, team: Team) -> None:
    end({"bob": team["bob"]})
    path = tree.mail_file("alice", "bob")
    journal = Journal.open(path)
    journal.record("info", {"text": "boo"})
    journal.close()


def compaction(tree: Tree, team: Team) -> None:
    team["bob"].history.state["x"] = 1
    assert team["bob"].checkpoint()


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        (ghost, "read bob/alice up to 7; alice sent 1"),
        (mail_nobody_sent, "no line of bob sends it"),
        (compaction, "holds another 'state' than its lines come to"),
    ],
)
def test_what_hangs_on_the_lines_is_held_against_them(
    tree: Tree, capfd: pytest.CaptureFixture[str], harm: Callable[[Tree, Team], None], what: str
) -> None:
    team = begun(tree)
    chat(team, "one")
    harm(tree, team)
    assert faults(tree, capfd) == {}
    found = faults(tree, capfd, "--verify")
    assert list(found) == ["bob"] and what in found["bob"][0]
