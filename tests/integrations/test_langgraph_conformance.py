"""LangGraph's own conformance suite, and the same contract for the capabilities it does not have yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import DeltaChannelHistory
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import Capability
from langgraph.checkpoint.conformance.report import ProgressCallbacks
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph_threads import config, delta_chain, put

from maos_sup.integrations.langgraph import TreeSaver


def test_the_conformance_suite_passes_with_every_capability(tmp_path: Path) -> None:
    folders = iter(range(100))

    @checkpointer_test(name="TreeSaver")
    async def saver() -> AsyncIterator[TreeSaver]:
        yield TreeSaver(tmp_path / str(next(folders)))

    report = asyncio.run(validate(saver, progress=ProgressCallbacks.verbose()))
    report.print_report()
    failures = [failure for result in report.results.values() for failure in result.failures]
    assert not failures
    assert all(report.results[capability.value].passed for capability in Capability)
    assert report.conformance_level() == "FULL"


# What upstream calls delta_channel_history and delta_channel_reconstruction, not in the released suite.


def history(saver: TreeSaver, head: Any, *channels: str) -> dict[str, DeltaChannelHistory]:
    found = saver.get_delta_channel_history(config=head, channels=channels)
    assert found == asyncio.run(saver.aget_delta_channel_history(config=head, channels=channels))
    return dict(found)


def values(entry: DeltaChannelHistory) -> list[Any]:
    return [value for _, _, value in entry["writes"]]


def test_history_has_the_writes_since_the_nearest_value_oldest_first(tmp_path: Path) -> None:
    saver = TreeSaver(tmp_path)
    made = delta_chain(saver, "t", steps=7, snapshots={0: _DeltaSnapshot([0]), 3: _DeltaSnapshot([3])})
    saver.put_writes(made[-1], [("ch", "pending")], "task-x")
    entry = history(saver, made[-1], "ch")["ch"]
    assert entry["seed"] == _DeltaSnapshot([3])
    assert values(entry) == [3, 4, 5]  # the seed's own writes made its child; the target's are pending
    assert history(saver, config("t"), "ch")["ch"] == entry
    assert history(saver, made[-1]) == {}


def test_history_without_a_value_goes_back_to_the_root_and_has_no_seed(tmp_path: Path) -> None:
    saver = TreeSaver(tmp_path)
    made = delta_chain(saver, "t", steps=4, snapshots={})
    assert history(saver, made[-1], "ch", "other") == {
        "ch": {"writes": [(f"task-{n}", "ch", n) for n in range(3)]},
        "other": {"writes": []},
    }
    assert history(saver, config("nobody"), "ch") == {"ch": {"writes": []}}


def test_a_plain_value_of_earlier_days_is_a_seed(tmp_path: Path) -> None:
    saver = TreeSaver(tmp_path)
    made = delta_chain(saver, "t", steps=4, snapshots={1: [10, 20]})
    entry = history(saver, made[-1], "ch")["ch"]
    assert (entry["seed"], values(entry)) == ([10, 20], [1, 2])


def test_channels_end_their_walk_each_at_its_own_value(tmp_path: Path) -> None:
    saver = TreeSaver(tmp_path)
    parent = None
    for step in range(5):
        stored = {1: {"a": "snap a"}, 3: {"b": "snap b"}}.get(step, {})
        parent = put(saver, "t", stored, parent=parent, version=step)
        saver.put_writes(parent, [("a", step), ("b", step)], f"task-{step}")
    found = history(saver, parent, "a", "b")
    assert {channel: (entry["seed"], values(entry)) for channel, entry in found.items()} == {
        "a": ("snap a", [1, 2, 3]),
        "b": ("snap b", [3]),
    }


def test_writes_of_parallel_tasks_come_by_path_and_those_without_one_first(tmp_path: Path) -> None:
    saver = TreeSaver(tmp_path)
    one = put(saver, "t", {})
    head = put(saver, "t", {}, parent=one)
    saver.put_writes(one, [("ch", "second")], "0", "~pull, 02")
    saver.put_writes(one, [("ch", "first")], "f", "~pull, 01")
    saver.put_writes(one, [("ch", "input")], "z")
    assert values(history(saver, head, "ch")["ch"]) == ["input", "first", "second"]
    pending = saver.get_tuple(one)
    assert pending is not None
    assert [value for _, _, value in pending.pending_writes or ()] == ["input", "first", "second"]


@pytest.mark.parametrize("cut", ["prune", "copy"])
def test_a_delta_channel_is_whole_after_pruning_and_copying(tmp_path: Path, cut: str) -> None:
    saver = TreeSaver(tmp_path)
    made = delta_chain(saver, "t", steps=9, snapshots={0: [0], 5: [5]})
    before = history(saver, made[-1], "ch")
    if cut == "copy":
        saver.copy_thread("t", "u")
        assert history(saver, config("u"), "ch") == before
    saver.prune(["t"])
    assert history(saver, made[-1], "ch") == before
    kept = [found.metadata["step"] for found in saver.list(config("t"))]
    assert kept == [8, 7, 6, 5]
