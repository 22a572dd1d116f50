"""Stores of other frameworks below `state/`: their journals are chained as all others are.

What a store's lines mean is its integration's business; that they are as they were written is ours.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from state_layout.check.scan import FileScan, ScanBounds, judge
from state_layout.check.scene import Scene

_JOURNAL = "journal.jsonl"


def check_stores(scene: Scene) -> None:
    """Check the chains of every journal in a store of the tree."""
    for path in _journals(scene.tree.state):
        scan = FileScan(scene, path)
        for _ in scan:
            pass
        judge(scene, scan, ScanBounds(is_continued=True), is_written=lambda: False)


def _journals(folder: Path) -> Iterator[Path]:
    """Yield every journal below `folder`; links are not followed, folders that cannot be read are left
    out."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if _JOURNAL in names:
            yield Path(root) / _JOURNAL
