"""What a checkpoint holds of the specs is kept before one is taken: nobody waits for it at the end."""

from __future__ import annotations

from pathlib import Path

from supervised import make_tree

from maos_sup.core.board import Board
from maos_sup.core.decide import board_of
from maos_sup.core.model import Memory, Observation
from maos_sup.cuts import store
from maos_sup.supervisor.checkpoints import TeamCheckpoints
from maos_sup.supervisor.specs import SpecsInForce
from state_layout.paths import Tree


def board_in(specs: SpecsInForce) -> Board:
    """The board of a team of which nobody has begun."""
    seen = Observation(specs=specs.now, agents={}, now_s=0.0, chance=0.5)
    return board_of(seen, Memory())


def kept(tree: Tree) -> int:
    return len(list(tree.kept_spec("x").parent.glob("*")))


def test_specs_are_kept_a_part_at_a_time_before_a_checkpoint_is_taken(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", *(f"a{number}" for number in range(40)))
    specs, ahead = SpecsInForce(tree), TeamCheckpoints(tree, first_after_s=0.0)
    assert ahead.due_s is None
    ahead.keep_ahead(specs.contents)
    ahead.look(board_in(specs), is_last=False)
    assert 0 < kept(tree) < 42  # 40 tasks, the orchestration, and agents that are all alike
    assert ahead.due_s is not None
    ahead.look(board_in(specs), is_last=False)
    assert kept(tree) == 42
    assert ahead.due_s is None
    assert not store.numbers(tree)
    ahead.look(board_in(specs), is_last=True)
    assert store.numbers(tree) == [1]
    assert kept(tree) == 42


def test_nothing_is_kept_while_agents_start(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", "a")
    specs, ahead = SpecsInForce(tree), TeamCheckpoints(tree)
    ahead.keep_ahead(specs.contents)
    ahead.look(board_in(specs), is_last=False)
    assert kept(tree) == 0
