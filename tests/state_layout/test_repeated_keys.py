"""A key that is there twice in what people write as JSON is refused: never does the last one win."""

from __future__ import annotations

from pathlib import Path

import pytest

from state_layout.errors import BadInput
from state_layout.paths import Tree
from state_layout.scopes.names import CUSTOM, Scope
from state_layout.scopes.people import edits_in
from state_layout.scopes.schemas import schema_of

PLAN = Scope(CUSTOM, "plan")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path)
    made.state_spec_folder(CUSTOM, "plan").mkdir(parents=True)
    return made


def test_value_by_hand_with_a_key_twice_is_a_fault_with_its_line(tree: Tree) -> None:
    path = tree.state_spec_folder(CUSTOM, "plan") / "limits.json"
    path.write_text('{"n": 1,\n"deep": {"a": 1,\n"a": 2}}')
    (edit,) = edits_in(tree)
    assert edit.fault == "line 3: 'deep.a' is there twice, first on line 2; remove one"
    path.write_text('[{"a": 1}, {"a": 2}]')
    (edit,) = edits_in(tree)
    assert (edit.fault, edit.value) == (None, [{"a": 1}, {"a": 2}])


def test_schema_with_a_key_twice_is_refused_with_its_line(tree: Tree) -> None:
    tree.state_schema(CUSTOM, "plan").write_text('{"version": 1,\n"version": 2}')
    with pytest.raises(BadInput, match=r"plan\.schema\.json:2: 'version' is there twice, first on line 1"):
        schema_of(tree, PLAN)
