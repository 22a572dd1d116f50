"""A team taken back and forward, without processes, and killed or cut off from power at each step of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import pytest
from crashing import POWER_LOSSES, crash, memory_folder
from ledger import lines_that_count
from lives import Life

from maos_sup.cuts import store
from maos_sup.cuts.going_back import preview_rollback
from maos_sup.cuts.record import TeamCut
from maos_sup.cuts.rewind import Rewind
from maos_sup.cuts.take import take_cut
from maos_sup.supervisor.rewinding import finish_rewinding, memory_at, rewind
from state_layout.files import codec, disk
from state_layout.mail.operator_mail import append_operator_message
from state_layout.paths import Tree
from state_layout.tree.making import create_tree

AGENTS = ("alice", "bob", "carol")


@pytest.fixture(autouse=True)
def untapped() -> Iterator[None]:
    yield
    disk.tap(None)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make(tmp_path / "tree")


def make(root: Path) -> Tree:
    return create_tree(
        root,
        orchestration={"id": "o", "request": "r"},
        agents={name: {"kind": "command", "command": ["true"]} for name in AGENTS},
        tasks={"t": {"agent": "alice", "description": "d"}},
    )


def chat(team: dict[str, Life], *words: str) -> None:
    """Each word is sent by everybody to everybody, and read."""
    for word in words:
        for name, life in team.items():
            life.step(word, *((other, f"{word} of {name}") for other in AGENTS if other != name))
        for life in team.values():
            life.receive()


def begun(tree: Tree) -> dict[str, Life]:
    return {name: Life(tree, name) for name in AGENTS}


def end(team: dict[str, Life]) -> None:
    for life in team.values():
        life.die()


def told(tree: Tree) -> dict[str, Any]:
    """Give what counts: of each agent its lines but for starts; mail by channel; specs."""
    lines = {
        name: [line for line in lines_that_count(tree.agent(name).root) if line["type"] != "start"]
        for name in AGENTS
    }
    mail = {
        f"{path.parent.name}/{path.stem}": path.read_bytes()
        for path in sorted(tree.mail.glob("*/*.jsonl"))
        if path.read_bytes()
    }
    specs = {str(path.relative_to(tree.spec)): path.read_bytes() for path in tree.spec.rglob("*.json")}
    return {"lines": lines, "mail": mail, "specs": specs}


def plan_for(tree: Tree, cut: TeamCut, back: TeamCut) -> Rewind:
    preview = preview_rollback(tree, cut)
    return replace(preview.plan, back=back.number, memory=memory_at(tree, cut.supervisor))


def go(tree: Tree, number: int) -> TeamCut:
    """Go to the checkpoint `number`; the one of what was before."""
    back = take_cut(tree, by="rollback", why="before")
    rewind(tree, plan_for(tree, store.read(tree, number), back), by="operator", why="a test")
    return back


def test_rollback_brings_back_lines_mail_and_specs_and_redo_the_other_future(tree: Tree) -> None:
    team = begun(tree)
    chat(team, "one", "two")
    cut, then = take_cut(tree, by="operator", why="w", name="here"), told(tree)
    chat(team, "three")
    append_operator_message(tree, "bob", text="hurry")
    tree.task_spec("t").write_bytes(codec.encode_pretty({"agent": "alice", "description": "other"}))
    end(team)
    later = told(tree)
    back = go(tree, cut.number)
    assert told(tree) == then
    assert store.find(tree, "here") == cut
    go(tree, back.number)
    assert told(tree) == later


def test_what_was_taken_back_is_never_delivered_and_numbers_are_not_given_twice(tree: Tree) -> None:
    team = begun(tree)
    chat(team, "one")
    cut = take_cut(tree, by="operator", why="w")
    chat(team, "void")
    end(team)
    void_numbers = [line["seq"] for line in codec_lines(tree.mail_file("bob", "alice"))][-1:]
    go(tree, cut.number)
    team = begun(tree)
    chat(team, "new")
    texts = [line["text"] for line in codec_lines(tree.mail_file("bob", "alice"))]
    numbers = [line["seq"] for line in codec_lines(tree.mail_file("bob", "alice"))]
    assert texts == ["one of alice", "new of alice"]
    assert numbers[-1] > void_numbers[0]
    got = [
        line["result"] for line in lines_that_count(tree.agent("bob").root) if "got-" in line.get("key", "")
    ]
    assert sorted(text for texts in got for text in texts) == [
        "new of alice",
        "new of carol",
        "one of alice",
        "one of carol",
    ]
    end(team)


def test_one_agent_alone_drags_along_who_heard_of_what_it_takes_back(tree: Tree) -> None:
    team = begun(tree)
    chat(team, "one")
    cut = take_cut(tree, by="operator", why="w")
    team["alice"].step("secret", ("bob", "only for bob"))
    team["bob"].receive()
    team["carol"].step("by itself")
    end(team)
    preview = preview_rollback(tree, cut, only=["alice"])
    assert set(preview.dragged) == {"bob"}
    assert set(preview.plan.agents) == {"alice", "bob"}
    assert preview.losses["alice"].counts["message"] == 1


def test_team_without_mail_goes_back_again_and_again(tree: Tree) -> None:
    team = begun(tree)
    team["alice"].step("one")
    cut, then = take_cut(tree, by="operator", why="w"), told(tree)
    team["alice"].step("two")
    end(team)
    for word in ("three", "four"):
        later = told(tree)
        back = go(tree, cut.number)
        assert told(tree) == then
        back = go(tree, back.number)
        assert told(tree) == later
        go(tree, cut.number)
        team = begun(tree)
        team["alice"].step(word)
        end(team)


def test_team_that_stands_there_does_not_go_there_again(tree: Tree) -> None:
    team = begun(tree)
    chat(team, "one")
    cut = take_cut(tree, by="operator", why="w")
    chat(team, "two")
    end(team)
    assert not preview_rollback(tree, cut).is_empty
    back = go(tree, cut.number)
    end(begun(tree))  # lives that did nothing
    assert preview_rollback(tree, cut).is_empty
    assert not preview_rollback(tree, back).is_empty, "the other future is elsewhere"
    team = begun(tree)
    team["bob"].step("three")
    end(team)
    assert not preview_rollback(tree, cut).is_empty


def test_of_two_rollbacks_at_once_the_way_back_is_that_of_the_first(tree: Tree) -> None:
    team = begun(tree)
    chat(team, "one")
    cut = take_cut(tree, by="operator", why="w", name="here")
    chat(team, "two")
    end(team)
    future = told(tree)
    words = [sys.executable, "-m", "maos_sup", "rollback", str(tree.root), str(cut.number), "--yes"]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    answers = [(one.communicate(timeout=300), one.returncode) for one in both]
    assert {code for _, code in answers} <= {0, 11}, answers
    assert 0 in {code for _, code in answers}, answers
    redone = subprocess.run(
        [sys.executable, "-m", "maos_sup", "redo", str(tree.root), "--yes"], capture_output=True, check=False
    )
    assert redone.returncode == 0, redone
    now = told(tree)
    assert (now["lines"], now["mail"]) == (future["lines"], future["mail"])


def test_one_agent_alone_drags_nobody_for_what_was_said_before(tree: Tree) -> None:
    team = begun(tree)
    chat(team, "one")
    cut = take_cut(tree, by="operator", why="w")
    team["alice"].step("secret", ("bob", "only for bob"))
    team["carol"].step("by itself")
    assert all([life.checkpoint() for life in team.values()])  # sums, in which what was heard when is lost
    take_cut(tree, by="operator", why="w")
    end(team)
    preview = preview_rollback(tree, cut, only=["alice"])
    assert set(preview.plan.agents) == {"alice"} and not preview.dragged
    team = begun(tree)
    team["bob"].receive()
    end(team)
    take_cut(tree, by="operator", why="w")
    preview = preview_rollback(tree, cut, only=["alice"])
    assert set(preview.dragged) == {"bob"}
    assert preview.dragged["bob"] == 1, "only the line by which it heard"


def test_agent_that_began_after_the_cut_has_not_begun(tree: Tree) -> None:
    team = {name: Life(tree, name) for name in ("alice", "bob")}
    team["alice"].step("one", ("bob", "x"))
    cut = take_cut(tree, by="operator", why="w")
    team["carol"] = Life(tree, "carol")
    team["carol"].step("two", ("alice", "y"))
    team["alice"].receive()
    end(team)
    go(tree, cut.number)
    assert told(tree)["lines"]["carol"] == []
    assert "alice/carol" not in told(tree)["mail"]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("loss", [None, *POWER_LOSSES], ids=lambda loss: loss.__name__ if loss else "kill")
def test_stopped_at_each_disk_operation_it_is_the_old_or_the_new_and_the_next_start_finishes(
    loss: Any,
) -> None:
    with memory_folder() as folder:
        tree = make(folder / "tree")
        team = begun(tree)
        chat(team, "one")
        cut, then = take_cut(tree, by="operator", why="w"), told(tree)
        chat(team, "two")
        end(team)
        back, later = take_cut(tree, by="rollback", why="before"), told(tree)
        plan = plan_for(tree, cut, back)
        copytree(tree.root, folder / "master")
        outcomes = set[str]()
        for at in count(1, 1 if loss is None else 4):
            rmtree(tree.root)
            copytree(folder / "master", tree.root)
            found = crash(lambda: rewind(tree, plan, by="operator", why="w"), at=at)
            if found is None:
                break
            if loss is not None:
                loss(found)
            finish_rewinding(tree)
            outcomes.add(assert_old_or_new(tree, later, then, at))
        assert at > 40
        assert outcomes == {"old", "new"}


def assert_old_or_new(tree: Tree, old: dict[str, Any], new: dict[str, Any], at: int) -> str:
    now = told(tree)
    if now == old:
        return "old"
    assert now["lines"] == new["lines"], f"operation {at}: some agents are here, others there"
    assert now["mail"] == new["mail"], f"operation {at}: mail is not that of the cut"
    assert now["specs"] == new["specs"], f"operation {at}: specs are not those of the cut"
    return "new"


def codec_lines(path: Path) -> list[dict[str, Any]]:
    return [codec.decode_object(line) for line in path.read_bytes().splitlines()]
