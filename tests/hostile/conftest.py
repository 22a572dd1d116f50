"""Shares among the ordeals the tree of `tests/state_layout`, and how long to go on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.append(str(Path(__file__).parents[1] / "state_layout"))

from check_trees import make_tree
from ordeal import FUZZ_SECONDS, Ordeal, ordeal

from state_layout.paths import Tree

settings.register_profile(
    "hostile",
    deadline=None,
    derandomize=not FUZZ_SECONDS,  # the same cases in every run of the tests; others in each `make fuzz`
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("hostile")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A whole tree with every kind of file."""
    return make_tree(tmp_path_factory.mktemp("template") / "tree")


@pytest.fixture
def trial(template: Tree) -> Iterator[Ordeal]:
    """A copy of it that is to be put to an ordeal."""
    with ordeal(template) as made:
        yield made
