"""What a supervisor remembers outlives it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from msgspec.structs import replace
from supervised import Supervised, begin_agent, dies_at, make_tree

from maos_sup.core.model import Delay, Finish, GiveUp, Seal, Submit
from maos_sup.supervisor.apply import apply
from maos_sup.supervisor.life import Life, begin_life
from state_layout.errors import Locked, StorageError
from state_layout.files import disk
from state_layout.files.journal import Reader
from state_layout.lives.attempts import read_exit
from state_layout.paths import Tree
from state_layout.records import TaskPhase
from state_layout.specs import edit_spec


def test_a_new_life_knows_what_the_last_one_did(tmp_path: Path) -> None:
    first = Supervised(make_tree(tmp_path / "t", "a"))
    assert first.turn() == [Submit(agent="a", attempt=1)]
    begin_agent(first.tree, "a")
    first.die("a", "failed")
    death, _ = first.turn()
    assert isinstance(death, Delay)
    again = begin_life(first.tree)
    assert again.number == 2
    assert again.memory.of("a").handled == 1
    assert len(again.memory.of("a").restarted_s) == 1


def test_a_life_pins_the_one_before(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    first = begin_life(tree)
    first.commit("adopted", {"agent": "a", "attempt": 1})
    begin_life(tree)
    end = Reader(tree.life_journal(1))
    end.read()
    start = Reader(tree.life_journal(2)).read()[0].fields()
    assert start["pin"] == {"life": 1, "seq": end.position.seq, "h": end.position.h}


def test_a_torn_line_and_a_life_that_never_began_are_passed_over(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    first = begin_life(tree)
    first.record([GiveUp(agent="a", attempt=0, reason="no", tasks={"a": 1})])
    with tree.life_journal(1).open("ab") as journal:
        journal.write(b'{"seq":3,"at":"2026-')
    tree.life_journal(2).parent.mkdir()
    again = begin_life(tree)
    assert again.number == 3
    assert again.memory.outcomes["a"].phase is TaskPhase.FAILED


def test_a_life_that_cannot_begin_leaves_nothing(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    begin_life(tree)

    def refuse(operation: str, arguments: tuple[object, ...]) -> None:
        if operation == "fdatasync":
            raise OSError(errno.EIO, "Input/output error")

    disk.tap(refuse)
    try:
        for _ in range(3):
            with pytest.raises(StorageError, match="cannot sync: Input/output error"):
                begin_life(tree)
    finally:
        disk.tap(None)
    assert [path.name for path in tree.lives.iterdir()] == ["0001"]
    assert begin_life(tree).number == 2


def test_a_seal_ends_leftovers_first_and_may_be_repeated(tmp_path: Path) -> None:
    first = Supervised(make_tree(tmp_path / "t", "a"))
    first.turn()
    begin_agent(first.tree, "a")
    first.die("a")
    sealed, death, _ = first.turn()
    assert sealed == Seal(agent="a", attempt=1)
    assert isinstance(death, Delay)
    [marks] = first.launcher.swept
    assert {mark.rsplit(":", 2)[1:] == ["a", "1"] for mark in marks} == {True}
    exit_ = read_exit(first.tree, "a", 1)
    assert exit_ is not None
    assert (exit_["reason"], exit_["by"]) == ("lost", "supervisor")
    apply(first.tree, first.launcher, [sealed], first.specs.now)
    assert read_exit(first.tree, "a", 1) == exit_


@pytest.mark.parametrize(
    "text",
    ["[]", '{"tasks": []}', '{"tasks": {"a": {}}}', '{"tasks": {"a": {"phase": "x"}}}', '{"questions": [1]}'],
)
def test_a_snapshot_edited_by_hand_stops_nothing(tmp_path: Path, text: str) -> None:
    supervised = Supervised(make_tree(tmp_path / "t", "a"))
    supervised.tree.agent("a").root.mkdir(exist_ok=True)
    supervised.tree.agent("a").status.write_text(text)
    assert supervised.turn() == [Submit(agent="a", attempt=1)]


def test_a_chain_of_deaths_ends_in_a_failed_task(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    supervised = Supervised(tree)
    deaths = 0
    for _ in range(100):
        actions = supervised.turn()
        if any(isinstance(action, Submit) for action in actions):
            number = begin_agent(tree, "a")
            supervised.die("a", "failed", attempt=number)
            deaths += 1
        for name, known in supervised.life.memory.agents.items():
            assert name == "a"
            assert len(known.restarted_s) <= 5
        if any(isinstance(action, GiveUp) for action in actions):
            break
        _skip_backoff(supervised)
    assert deaths == 6  # the first try and five restarts
    assert isinstance(supervised.turn()[0], Finish)


def test_killed_before_any_change_of_the_disk_it_goes_on(tmp_path: Path) -> None:
    """A supervisor that dies between any two operations leaves a tree in which the next one goes on."""
    operation, reached = 0, True
    while reached:
        tree = make_tree(tmp_path / f"t{operation}", "a", "b")
        begin_agent(tree, "b")

        reached = dies_at(operation, lambda tree=tree: _turns(tree, 6))
        supervised = Supervised(tree)
        for _ in range(8):
            supervised.turn()
            _skip_backoff(supervised)
        submitted = {each.agent: each.attempt for each in supervised.launcher.submitted}
        assert submitted == {"a": 1, "b": 2}, f"at operation {operation}"
        exit_ = read_exit(tree, "b", 1)
        assert exit_ is not None, f"at operation {operation}"
        operation += 1
    assert operation > 10


def test_killed_before_any_change_of_the_disk_an_end_is_written_that_no_successor_would_write(
    tmp_path: Path,
) -> None:
    operation, reached = 0, True
    while reached:
        tree = make_tree(tmp_path / f"t{operation}", "a")
        edit_spec(tree, tree.agent_spec("a"), lambda value: {**value, "restart": {"max": 0}})
        begin_agent(tree, "a")

        reached = dies_at(operation, lambda tree=tree: _turns(tree, 2))
        supervised = Supervised(tree)
        supervised.turn()
        assert not supervised.launcher.submitted, f"at operation {operation}"
        assert read_exit(tree, "a", 1) is not None, f"at operation {operation}"
        operation += 1
    assert operation > 10


def _turns(tree: Tree, count: int) -> None:
    supervised = Supervised(tree)
    for _ in range(count):
        supervised.turn()


def _skip_backoff(supervised: Supervised) -> None:
    """Let the time of a back-off be over."""
    memory = supervised.life.memory
    agents = {name: replace(known, not_before_s=0.0) for name, known in memory.agents.items()}
    supervised.life.memory = replace(memory, agents=agents)


def test_of_two_that_begin_one_life_the_second_leaves_the_first_alone(tmp_path: Path) -> None:
    """Both look before either makes its folder, as on two machines whose locks do not reach each other."""
    tree = make_tree(tmp_path / "t", "a")
    rivals = list[Life]()

    def begin_too(operation: str, arguments: tuple[object, ...]) -> None:
        if operation == "mkdir" and arguments[0] == tree.life_journal(1).parent:
            disk.tap(None)
            rivals.append(begin_life(tree))

    disk.tap(begin_too)
    try:
        with pytest.raises(Locked, match="another supervisor begins"):
            begin_life(tree)
    finally:
        disk.tap(None)
    rivals[0].commit("adopted", {"agent": "a", "attempt": 1})
    assert [line.fields()["type"] for line in Reader(tree.life_journal(1))] == ["start", "adopted"]
