"""The ledger of spending: caps hold over processes, and what is not known counts in full."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from state_layout.ledger import ALL, Amount, Ledger, spent_by
from state_layout.paths import Tree
from state_layout.records import Budget

CENT = Amount(cost_usd=0.01, tokens=100)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def caps(agent: str = "alice", *, total: float | None = None, own: float | None = None) -> dict[str, Budget]:
    return {ALL: Budget(max_cost_usd=total), agent: Budget(max_cost_usd=own)}


def test_reservation_beyond_the_cap_is_refused_and_changes_nothing(tree: Tree) -> None:
    ledger = Ledger(tree, "alice")
    assert ledger.reserve("a", CENT, caps=caps(total=0.015)) is None
    refusal = ledger.reserve("b", CENT, caps=caps(total=0.015))
    assert refusal is not None
    assert "raise max_cost_usd" in str(refusal)
    assert list(ledger.open_keys()) == ["a"]


def test_settlement_frees_what_the_estimate_was_too_high_by(tree: Tree) -> None:
    ledger = Ledger(tree, "alice")
    ledger.reserve("a", CENT, caps=caps(total=0.015))
    ledger.settle("a", Amount(cost_usd=0.001, tokens=3))
    assert ledger.reserve("b", CENT, caps=caps(total=0.015)) is None
    assert spent_by(tree)["alice"].tokens == 103


def test_second_settlement_of_a_call_counts_no_more(tree: Tree) -> None:
    ledger = Ledger(tree, "alice")
    ledger.reserve("a", CENT, caps={})
    ledger.settle("a", CENT)
    ledger.settle("a", CENT)
    assert spent_by(tree)["alice"] == CENT


def test_reservation_of_a_dead_life_counts_in_full_for_everybody(tree: Tree) -> None:
    Ledger(tree, "alice").reserve("a", CENT, caps={})
    assert Ledger(tree, "bob").reserve("b", CENT, caps=caps("bob", total=0.015)) is not None
    assert Ledger(tree, "bob").reserve("b", CENT, caps=caps("bob", own=0.015)) is None


def test_new_reservation_of_a_call_stands_in_place_of_its_old_one(tree: Tree) -> None:
    Ledger(tree, "alice").reserve("a", CENT, caps={})
    assert Ledger(tree, "alice").reserve("a", CENT, caps=caps(total=0.01)) is None


def test_tokens_are_capped_where_the_cost_is_unknown(tree: Tree) -> None:
    ledger = Ledger(tree, "alice")
    unknown = Amount(cost_usd=None, tokens=100)
    limits = {ALL: Budget(max_cost_usd=0.001, max_tokens=150)}
    assert ledger.reserve("a", unknown, caps=limits) is None
    refusal = ledger.reserve("b", unknown, caps=limits)
    assert refusal is not None
    assert refusal.what == "max_tokens"


def test_torn_tail_of_the_own_file_is_set_aside(tree: Tree) -> None:
    Ledger(tree, "alice").reserve("a", CENT, caps={})
    with tree.budget_file("alice").open("ab") as file:
        file.write(b'{"seq":2,"at":"x","type":"settle","key":"a"')
    assert list(Ledger(tree, "alice").open_keys()) == ["a"]
    assert tree.budget_file("alice").with_name("alice.jsonl.torn-1").exists()


def _reserve_often(root: Path, agent: str) -> None:
    ledger = Ledger(Tree(root), agent)
    for number in range(40):
        ledger.reserve(f"{agent}{number}", CENT, caps={ALL: Budget(max_cost_usd=0.505)})


def test_cap_holds_while_processes_reserve_at_once(tree: Tree) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_reserve_often, args=(tree.root, f"a{n}")) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    total = sum((amount for amount in spent_by(tree).values()), Amount())
    assert total.cost_usd == pytest.approx(0.50)
