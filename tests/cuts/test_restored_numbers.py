"""`supervisor/restored.json`, as a rollback raises its numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from maos_sup.cuts.carry_out import take_numbers
from state_layout.errors import Damaged
from state_layout.files import codec
from state_layout.paths import Tree


def test_numbers_are_raised_and_never_lowered(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    take_numbers(tree, {"ann": {"bob": 5}})
    take_numbers(tree, {"ann": {"bob": 3, "cid": 2}})
    assert codec.decode(tree.restored.read_bytes())["next_seq"] == {"ann": {"bob": 5, "cid": 2}}


@pytest.mark.parametrize(
    "text", ["[]", '{"next_seq":[]}', '{"next_seq":{"ann":[]}}', '{"next_seq":{"ann":{"bob":"5"}}}', "{"]
)
def test_numbers_that_are_none_are_damage_with_a_remedy(tmp_path: Path, text: str) -> None:
    tree = Tree(tmp_path)
    tree.restored.parent.mkdir()
    tree.restored.write_text(text)
    with pytest.raises(Damaged, match=r"restored.json: not as FORMAT.md says; remove run/host.json"):
        take_numbers(tree, {"ann": {"bob": 5}})
    assert tree.restored.read_text() == text
