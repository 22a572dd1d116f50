"""Money: the sums are those of the agents themselves, waste is told apart, nothing is read twice."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import answer, asked, lived, made_tree, publish, task

from maos_sup.projection import reading as reading_module
from maos_sup.projection.cost_reader import CostReader, ToldCost, costs_of_several
from maos_sup.projection.costs import forecast_of
from maos_sup.projection.reading import Reading
from state_layout.lives.attempts import begin_attempt, recall
from state_layout.paths import Tree
from state_layout.tree import open_tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Two lives of alice, the second begun by a rollback; an unknown price and a broken try."""
    made = made_tree(
        tmp_path, {"alice": {"kind": "anthropic", "model": "m-spec"}, "bob": {"kind": "anthropic"}}
    )
    lived(
        made,
        "alice",
        [
            task("count", "running"),
            asked("count", "a"),
            ("begun", {"task": "count", "run": 1, "key": "a", "model": "m-told", "usage": {}}),
            answer("count", "a", 0.5),
            (
                "broken",
                {
                    "task": "count",
                    "run": 1,
                    "key": "b",
                    "why": "cut",
                    "waste": {},
                    "cost_usd": 0.25,
                    "tokens": 9,
                },
            ),
            answer("count", "c", None),
        ],
    )
    before = recall(made, "alice")
    lived(made, "alice", [answer("count", "d", 2.0)])
    again = begin_attempt(
        made, "alice", recall=replace(before, attempt=2), settings={}, also={"rewound": {"void": 1, "cut": 0}}
    )
    again.journal.commit(*answer("count", "e", 0.125))
    again.journal.close()
    publish(made, "alice", again.number)
    return made


def test_sums_are_those_of_the_agents_and_what_was_taken_back_is_beside_them(tree: Tree) -> None:
    reading = Reading(tree)
    status = reading.status()
    costs = CostReader(reading).costs(status, now_s=0.0)
    assert costs.total.cost_usd == pytest.approx(status["counts"]["cost_usd"]) == 0.875
    assert costs.total.tokens == status["counts"]["tokens"] == 309
    assert (costs.broken.cost_usd, costs.broken.calls) == (0.25, 1)
    assert (costs.void.cost_usd, costs.void.tokens) == (2.0, 100)
    assert costs.total.unpriced == 1
    assert costs.models["m-told"].cost_usd == 0.5
    assert costs.models["m-spec"].cost_usd == 0.375
    assert {name: sums.cost_usd for name, sums in costs.tasks.items()} == {"count": 0.875}


def test_tokens_by_type_add_up_to_the_total(tree: Tree) -> None:
    reading = Reading(tree)
    costs = CostReader(reading).costs(reading.status(), now_s=0.0)
    assert sum(costs.token_types.values()) == costs.total.tokens
    assert costs.token_types["alice", "m-told", "input"] == 70


def test_second_look_reads_only_what_is_new(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = CostReader(reading := Reading(tree))
    first = reader.costs(reading.status(), now_s=0.0)
    seen = list[int]()
    real = reading_module.lines_from
    monkeypatch.setattr(
        reading_module, "lines_from", lambda path, offset: (seen.append(offset), real(path, offset))[1]
    )
    lived(tree, "bob", [answer("report", "z", 1.0)])
    second = reader.costs(reading.status(), now_s=0.0)
    assert second.total.cost_usd == first.total.cost_usd + 1.0
    assert (
        seen and sorted(seen)[0] == 0 and len([offset for offset in seen if offset]) == 3
    )  # bob's alone is new


def test_forecast_says_nothing_without_grounds() -> None:
    status = {"counts": {"tasks": 10, "tasks_left": 9, "alive": 1}, "budget": {"max_cost_usd": 5.0}}
    assert forecast_of(status, 0.0, begun_s=0.0, now_s=60.0).usd_per_hour is None
    told = forecast_of(status, 1.0, begun_s=0.0, now_s=3600.0)
    assert (told.at_end_usd, told.usd_per_hour, told.runs_out_in_s) == (None, 1.0, 14400.0)
    status["counts"]["tasks_left"] = 5
    assert forecast_of(status, 1.0, begun_s=0.0, now_s=3600.0).at_end_usd == 2.0


def test_try_of_unknown_price_is_said_to_be_unpriced(tmp_path: Path) -> None:
    made = made_tree(tmp_path, {"alice": {"kind": "anthropic"}})
    waste = {"cost_usd": None, "tokens": 40}
    lived(made, "alice", [("broken", {"task": "count", "run": 1, "key": "b", "waste": waste, "tokens": 40})])
    reading = Reading(made)
    costs = CostReader(reading).costs(reading.status(), now_s=0.0)
    assert (costs.total.unpriced, costs.broken.unpriced, costs.broken.tokens) == (1, 1, 40)


def test_what_a_copy_has_of_its_original_is_counted_once(tree: Tree, tmp_path: Path) -> None:
    other = open_tree(shutil.copytree(tree.root, tmp_path / "copy", symlinks=True))
    lived(other, "bob", [answer("report", "z", 1.0)])
    told = []
    for each in (tree, other):
        reader = CostReader(reading := Reading(each))
        reader.costs(reading.status(), now_s=0.0)
        told += reader.told
    whole, shared = costs_of_several(told)
    assert (whole.total.cost_usd, whole.void.cost_usd) == (1.875, 2.0)
    assert (shared.cost_usd, shared.calls) == (0.875, 4)


def test_what_one_took_back_counts_where_its_fork_went_on(tree: Tree, tmp_path: Path) -> None:
    lived_on = open_tree(shutil.copytree(tree.root, tmp_path / "copy", symlinks=True))
    reader, other = CostReader(reading := Reading(tree)), CostReader(there := Reading(lived_on))
    reader.costs(reading.status(), now_s=0.0)
    other.costs(there.status(), now_s=0.0)
    counted = [ToldCost(one.entry, is_void=False) for one in other.told]
    for told in ([*reader.told, *counted], [*counted, *reader.told]):
        whole, shared = costs_of_several(told)
        assert (whole.total.cost_usd, whole.void.cost_usd, shared.cost_usd) == (2.875, 0.0, 0.875)
