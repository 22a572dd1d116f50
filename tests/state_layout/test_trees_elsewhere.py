"""Trees outside of the home are remembered by their paths, of whatever bytes these are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from state_layout.files.spelling import path_of, spelled
from state_layout.paths import FORMAT_VERSION, FORMAT_WORD
from state_layout.tree.elsewhere import remember, trees_elsewhere


@pytest.mark.linux("file names are bytes")
def test_tree_below_a_folder_whose_name_is_not_utf8_is_remembered(tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"caf\xe9") / "tree"
    root.mkdir(parents=True)
    (root / "FORMAT").write_text(f"{FORMAT_WORD} {FORMAT_VERSION}\n")
    remember(tmp_path / "home", root)
    assert [tree.root for tree in trees_elsewhere(tmp_path / "home")] == [root]


@pytest.mark.parametrize(
    "path", ["/a b", "/caf\xe9", os.fsdecode(b"/caf\xe9"), os.fsdecode(bytes(range(128, 256)))]
)
def test_spelled_path_is_valid_text_and_read_again(path: str) -> None:
    assert spelled(path).encode()
    assert path_of(spelled(path)) == path
