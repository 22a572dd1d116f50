"""What an agent chooses next, and that nothing it keeps from look to look makes it choose wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maos_sup.agents.tasks import choice
from maos_sup.agents.tasks.choice import TaskChoice
from maos_sup.standing import supervisors
from state_layout.files import codec
from state_layout.files.journal import Journal
from state_layout.paths import Tree
from state_layout.records import OrchestrationSpec, Specs, TaskOutcome, TaskPhase, TaskSpec

OWN = {"mine": TaskOutcome(phase=TaskPhase.DONE)}


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    yield Tree(tmp_path)
    supervisors._kept.clear()


def specs(*tasks: TaskSpec) -> Specs:
    orchestration = OrchestrationSpec(id="x", request="x")
    return Specs(orchestration=orchestration, agents={}, tasks={task.id: task for task in tasks})


def task(name: str, agent: str, *needs: str, run: int = 1) -> TaskSpec:
    return TaskSpec(id=name, agent=agent, needs=needs, run=run)


def tell(tree: Tree, agent: str, **phases: Any) -> None:
    """The snapshot of `agent`, replaced as it replaces it."""
    path = tree.agent(agent).status
    path.parent.mkdir(parents=True, exist_ok=True)
    value = {"tasks": {name: {"phase": phase, "run": 1} for name, phase in phases.items()}}
    path.with_name("new").write_bytes(codec.encode(value))
    path.with_name("new").rename(path)


def chosen(found: tuple[TaskSpec | None, bool]) -> str | None:
    return None if found[0] is None else found[0].id


def test_needs_of_one_agent_that_are_met_one_after_the_other_are_all_met(tree: Tree) -> None:
    wanted = specs(task("t", "ann", "one", "two"), task("one", "bob"), task("two", "bob"))
    chooser = TaskChoice(tree, "ann")
    for phases, expected in (
        ({}, None),
        ({"one": "done"}, None),
        ({"one": "done", "two": "running"}, None),
        ({"one": "done", "two": "done"}, "t"),
    ):
        tell(tree, "bob", **phases)
        assert chosen(chooser.next(wanted, {}, answered=())) == expected


def test_who_has_work_asks_others_seldom_and_who_has_none_asks_each_time(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "_MOST_SHARE", 1e-9)
    wanted = specs(task("a", "ann", "one"), task("b", "ann"), task("one", "bob"))
    tell(tree, "bob")
    chooser = TaskChoice(tree, "ann")
    assert chosen(chooser.next(wanted, {}, answered=())) == "b"
    tell(tree, "bob", one="done")
    assert chosen(chooser.next(wanted, {}, answered=())) == "b"
    assert chosen(chooser.next(wanted, {"b": TaskOutcome(phase=TaskPhase.DONE)}, answered=())) == "a"


def test_what_others_did_is_not_kept_when_other_specs_are_in_force(tree: Tree) -> None:
    tell(tree, "bob", one="done")
    chooser = TaskChoice(tree, "ann")
    assert chosen(chooser.next(specs(task("t", "ann", "one"), task("one", "bob")), {}, answered=())) == "t"
    again = specs(task("t", "ann", "one"), task("one", "bob", run=2))
    assert chosen(chooser.next(again, {}, answered=())) is None


def test_task_that_the_supervisor_gave_up_meanwhile_is_not_begun(tree: Tree) -> None:
    wanted = specs(task("t", "ann"), task("u", "ann"))
    journal = Journal.open(tree.life_journal(1))
    journal.record("start", {})
    chooser = TaskChoice(tree, "ann")
    assert chosen(chooser.next(wanted, {}, answered=())) == "t"
    for number in range(3):
        journal.record("submit", {"agent": "bob", "attempt": number})
        assert chosen(chooser.next(wanted, {}, answered=())) == "t"
    journal.record("gave_up", {"agent": "ann", "attempt": 1, "tasks": {"t": 1}, "reason": "died"})
    assert chosen(chooser.next(wanted, {}, answered=())) == "u"
    journal.record("submit", {"agent": "bob", "attempt": 9})
    assert chosen(chooser.next(wanted, {}, answered=())) == "u"
    journal.record("gave_up", {"agent": "ann", "attempt": 2, "tasks": {"u": 1}, "reason": "died"})
    assert chosen(chooser.next(wanted, {}, answered=())) is None
    journal.close()


def test_line_of_the_supervisor_that_was_taken_back_and_written_anew_is_read(tree: Tree) -> None:
    journal = Journal.open(tree.life_journal(1))
    journal.record("start", {})
    journal.close()
    path = tree.life_journal(1)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"seq":2,"type":"submit","agent":"' + b"x" * 150)
    assert supervisors.settled_by_supervisor(tree) == {}
    path.write_bytes(whole)
    journal = Journal.open(path)
    journal.record("gave_up", {"agent": "ann", "attempt": 1, "tasks": {"t": 1}, "reason": "died" * 50})
    journal.close()
    assert supervisors.settled_by_supervisor(tree).keys() == {"t"}


def test_the_supervisors_journal_is_read_once(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.open(tree.life_journal(1))
    journal.record("start", {})
    for number in range(50):
        journal.record("submit", {"agent": "bob", "attempt": number})
    decoded = 0

    def count(path: Path, words: tuple[bytes, ...], *, all_lines: bool) -> Any:
        nonlocal decoded
        decoded += 1
        return really(path, words, all_lines=all_lines)

    really = supervisors._folded
    monkeypatch.setattr(supervisors, "_folded", count)
    settled = [supervisors.settled_by_supervisor(tree) for _ in range(5)]
    journal.record("submit", {"agent": "bob", "attempt": 99})
    settled.append(supervisors.settled_by_supervisor(tree))
    journal.close()
    assert decoded == 1 and all(each is settled[0] for each in settled)


def test_snapshot_that_is_none_tells_nothing(tree: Tree) -> None:
    wanted = specs(task("t", "ann", "one"), task("one", "bob"))
    chooser = TaskChoice(tree, "ann")
    tell(tree, "bob", one="done")
    for damaged in (b'{"tasks":{"one":7}}', b'{"tasks":[]}', b'{"tasks":{"one":{"phase":"dnoe"}}}', b"{"):
        tree.agent("bob").status.write_bytes(damaged)
        assert chosen(chooser.next(wanted, {}, answered=())) is None
    tell(tree, "bob", one="done")
    assert chosen(chooser.next(wanted, {}, answered=())) == "t"
