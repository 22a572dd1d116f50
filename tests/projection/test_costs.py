"""Money: the sums are those of the agents themselves, waste is told apart, nothing is read twice."""

from __future__ import annotations

import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import answer, asked, lived, made_tree, publish, task

from maos_sup.cli import main
from maos_sup.projection import reading as reading_module
from maos_sup.projection.cost_lines import CostEntry
from maos_sup.projection.cost_reader import CostReader, SeveralCosts
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
    real = reading_module.batches_from
    monkeypatch.setattr(
        reading_module, "batches_from", lambda path, offset: (seen.append(offset), real(path, offset))[1]
    )
    lived(tree, "bob", [answer("report", "z", 1.0)])
    second = reader.costs(reading.status(), now_s=0.0)
    assert second.total.cost_usd == first.total.cost_usd + 1.0
    assert len(seen) == 2 and seen.count(0) == 1  # the attempt that has not ended is read on; bob's is new


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
    several = SeveralCosts()
    for each in (tree, other):
        reading = Reading(each)
        CostReader(reading, tell=several.take).costs(reading.status(), now_s=0.0)
    whole = several.costs()
    assert (whole.total.cost_usd, whole.void.cost_usd) == (1.875, 2.0)
    assert (several.shared.cost_usd, several.shared.calls) == (0.875, 4)


@pytest.mark.parametrize("is_fork_first", [False, True])
def test_what_one_took_back_counts_where_its_fork_went_on(tree: Tree, is_fork_first: bool) -> None:
    several, reading = SeveralCosts(), Reading(tree)

    def of_fork(agent: str, entry: CostEntry, is_void: bool) -> None:
        several.take(agent, entry, False)

    for tell in (of_fork, several.take) if is_fork_first else (several.take, of_fork):
        CostReader(reading, tell=tell).costs(reading.status(), now_s=0.0)
    whole = several.costs()
    assert (whole.total.cost_usd, whole.void.cost_usd, several.shared.cost_usd) == (2.875, 0.0, 0.875)


def test_what_is_taken_back_after_it_was_read_no_longer_counts(tmp_path: Path) -> None:
    tree = made_tree(tmp_path, {"alice": {"kind": "anthropic"}})
    life = begin_attempt(tree, "alice", recall=recall(tree, "alice"), settings={})
    life.journal.commit(*answer("count", "a", 0.5))
    halfway = recall(tree, "alice")
    life.journal.commit(*answer("count", "b", 4.0))
    life.journal.close()
    publish(tree, "alice", 1)
    reader = CostReader(reading := Reading(tree))
    assert reader.costs(reading.status(), now_s=0.0).total.cost_usd == 4.5
    also = {"rewound": {"void": 1, "cut": 0}}
    begin_attempt(tree, "alice", recall=halfway, settings={}, also=also).journal.close()
    publish(tree, "alice", 2)
    costs = reader.costs(reading.status(), now_s=0.0)
    assert (costs.total.cost_usd, costs.void.cost_usd) == (0.5, 4.0)
    assert costs == CostReader(again := Reading(tree)).costs(again.status(), now_s=0.0)


def test_what_is_remembered_of_many_answers_is_small(tmp_path: Path) -> None:
    tree = made_tree(tmp_path, {"alice": {"kind": "anthropic"}})
    lived(tree, "alice", [answer("count", f"k{n}") for n in range(3000)])
    reader, status = CostReader(reading := Reading(tree)), reading.status()
    tracemalloc.start()
    try:
        costs = reader.costs(status, now_s=0.0)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (costs.total.calls, costs.total.cost_usd) == (3000, pytest.approx(30.0))
    assert kept < 300_000


def test_sums_beyond_all_numbers_fail_no_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAOS_SUP_HOME", str(tmp_path))
    tree = made_tree(tmp_path)
    for agent, name in (("alice", "count"), ("bob", "report")):
        lived(tree, agent, [answer(name, "k", 1e308, tokens=(1 << 63) - 1)])
    reading = Reading(tree)
    total = CostReader(reading).costs(reading.status(), now_s=0.0).total
    assert (total.calls, total.cost_usd, total.tokens) == (2, 1e12, (1 << 63) - 1)
    for words in (["cost"], ["cost", "--home"], ["metrics"], ["status"], ["report", "-o", "-"], ["list"]):
        for more in ([], ["--json"]) if words[0] not in ("metrics", "report") else ([],):
            assert main([*words, *more]) == 0, (words, more)


def test_orchestration_that_is_named_twice_is_there_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = made_tree(tmp_path)
    lived(tree, "alice", [answer("count", "k", 0.5)])
    (tmp_path / "link").symlink_to(tree.root)
    words = [str(tree.root), str(tmp_path / "link"), f"{tree.root}/"]
    assert main(["cost", *words]) == 0
    assert "copies" not in (told := capsys.readouterr().out) and told.count("alice") == 1
    assert main(["metrics", *words]) == 0
    assert f'maos_agents_alive{{orchestration="{tree.root.name}"}}' in capsys.readouterr().out
