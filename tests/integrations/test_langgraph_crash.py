"""A saver that dies between any two operations on the disk: what it acknowledged is there, and whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from crashing import Loss, at_each_crash, crash, lose, memory_folder, shuffle, zero
from langgraph_threads import config, listed, put

from maos_sup.integrations.langgraph import TreeSaver


def state(saver: TreeSaver) -> dict[str, Any]:
    """All that a reader can see."""
    return {
        str(found.config["configurable"]): (
            found.checkpoint["channel_values"],
            found.pending_writes,
            found.parent_config,
        )
        for found in saver.list(None)
    }


def seeded(folder: Path) -> TreeSaver:
    saver = TreeSaver(folder / "store")
    first = put(saver, "t", {"a": 1, "b": "x"}, id_="1", metadata={"run_id": "r1"})
    saver.put_writes(first, [("a", 2)], "task")
    second = put(saver, "t", {"a": 2}, parent=first, version=2, id_="2", metadata={"run_id": "r2"})
    saver.put_writes(second, [("a", {1, 2})], "task")
    put(saver, "other", {"c": [1, 2.5, None]}, id_="3")
    return saver


def put_two(saver: TreeSaver) -> None:
    made = put(saver, "t", {"a": 3}, id_="4", version=3)
    saver.put_writes(made, [("a", 4), ("b", 5)], "task")


ACTS: dict[str, Callable[[TreeSaver], object]] = {
    "put": lambda saver: put(saver, "t", {"a": 3}, id_="4", version=3),
    "put_writes": lambda saver: saver.put_writes(config("t", id_="2"), [("b", 5)], "task-2"),
    "prune": lambda saver: saver.prune(["t"]),
    "delete_for_runs": lambda saver: saver.delete_for_runs(["r1"]),
    "delete_thread": lambda saver: saver.delete_thread("t"),
    "copy_thread": lambda saver: saver.copy_thread("t", "other"),
}


@pytest.mark.parametrize(
    "loss", [None, lose, zero, shuffle], ids=lambda loss: loss.__name__ if loss else "kill"
)
@pytest.mark.parametrize("name", ACTS)
def test_an_act_that_is_stopped_has_happened_or_not(tmp_path: Path, name: str, loss: Loss | None) -> None:
    act = ACTS[name]
    before = state(seeded(tmp_path / "before"))
    done = seeded(tmp_path / "done")
    act(done)
    after = state(done)
    assert after != before

    def check(folder: Path) -> None:
        saver = TreeSaver(folder / "store")
        found = state(saver)
        assert found in (before, after)
        put_two(saver)  # and it goes on
        assert state(TreeSaver(folder / "store")) == state(saver)
        assert {"4"} < {item.checkpoint["id"] for item in listed(saver, "t")} or name == "delete_thread"

    operations = at_each_crash_of(act, check, loss=loss)
    assert operations > 2


def at_each_crash_of(
    act: Callable[[TreeSaver], object], check: Callable[[Path], object], *, loss: Loss | None
) -> int:
    """Stop `act` at each of its operations on a store that was there before, and `check` what is left."""
    for at in count(1):
        with memory_folder() as folder:
            seeded(folder)
            stopped = crash(lambda folder=folder: act(TreeSaver(folder / "store")), at=at)
            if stopped is None:
                return at - 1
            if loss is not None:
                loss(stopped)
            try:
                check(folder)
            except BaseException as error:
                error.add_note(f"stopped before operation {at}: {stopped.last}")
                raise
    raise AssertionError  # count() has no end


@pytest.mark.parametrize("name", ACTS)
def test_what_returned_is_there_whatever_was_not_synced(tmp_path: Path, name: str) -> None:
    done = seeded(tmp_path / "done")
    ACTS[name](done)
    with memory_folder() as folder:
        seeded(folder)
        stopped = crash(lambda: ACTS[name](TreeSaver(folder / "store")), at=None)
        assert stopped is not None
        lose(stopped)
        assert state(TreeSaver(folder / "store")) == state(done)


def test_an_empty_store_whose_maker_died_is_made_anew() -> None:
    def make(folder: Path) -> None:
        put_two(TreeSaver(folder / "store"))

    def check(folder: Path) -> None:
        saver = TreeSaver(folder / "store")
        assert len(listed(saver, "t")) <= 1
        put_two(saver)
        assert [found.checkpoint["channel_values"] for found in listed(saver, "t")] == [{"a": 3}]

    assert at_each_crash(make, check) > 10


WRITER = """
import sys
from langgraph_threads import put
from maos_sup.integrations.langgraph import TreeSaver
saver, name, parent = TreeSaver(sys.argv[1]), sys.argv[2], None
for n in range(100000):
    values = {name: n, "text": "x" * 3000}
    parent = put(saver, "shared", values, version=f"{n}.{name}", id_=f"{n:06}-{name}")
    saver.put_writes(parent, [(name, {n})], "task")
    print(n, flush=True)
"""


@pytest.mark.parametrize("rounds", [3])
def test_two_processes_killed_at_any_time_lose_nothing_acknowledged(tmp_path: Path, rounds: int) -> None:
    acknowledged: dict[str, int] = {}
    for round_ in range(rounds):
        writers = {f"w{round_}{letter}": start_writer(tmp_path, f"w{round_}{letter}") for letter in "ab"}
        for name, writer in writers.items():
            assert writer.stdout is not None
            for _ in range(5 + round_ * 17):
                acknowledged[name] = int(writer.stdout.readline())
        for writer in writers.values():
            writer.send_signal(signal.SIGKILL)
        for name, writer in writers.items():
            assert writer.stdout is not None
            acknowledged[name] = max([acknowledged[name], *map(int, writer.stdout.read().splitlines())])
            writer.wait()
            writer.stdout.close()
        check_all(TreeSaver(tmp_path / "store"), acknowledged)


def start_writer(folder: Path, name: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", WRITER, str(folder / "store"), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def check_all(saver: TreeSaver, acknowledged: dict[str, int]) -> None:
    found = {item.checkpoint["id"]: item for item in listed(saver, "shared")}
    for name, last in acknowledged.items():
        for n in range(last + 1):
            item = found[f"{n:06}-{name}"]
            assert item.checkpoint["channel_values"] == {name: n, "text": "x" * 3000}
            assert item.pending_writes == [("task", name, {n})]
