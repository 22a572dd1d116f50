"""A second cut, while everybody recovers from the first: repairs and first lines are cut short as well."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

from state_layout.paths import Tree

from . import recorder
from .cut import cut, lay_out
from .history import ALREADY, Base, Told, read_history
from .truth import Truth

Hold = Callable[[Tree, Truth, int, Random, dict[str, str]], list[tuple[str, str]]]


def hold_twice(
    tree: Tree, truth: Truth, at: int, chance: Random, fates: dict[str, str], *, hold: Hold
) -> list[tuple[str, str]]:
    """`hold`, recorded; then a cut within what that did, and `hold` on what it leaves."""
    log, root = tree.root.with_name("second.log"), tree.root.with_name("second")
    log.unlink(missing_ok=True)
    base = survey(tree.root)
    recorder.start(log)
    try:
        wrong = hold(tree, truth, at, chance, fates)
    finally:
        recorder.stop()
    if wrong:
        return wrong
    later = _continued(truth, at, log, tree.root, base)
    again = chance.choice(later.history.cuts())
    image = cut(later.history, again, chance)
    lay_out(image, root)
    stale = {path: fate for path, fate in fates.items() if fate == "stale"}  # and there it lies
    wrong = hold(Tree(root), later, again, chance, {**fates, **image.fates, **stale})
    return [(promise, f"after a second cut, at {again}: {text} ({image.told})") for promise, text in wrong]


def survey(root: Path) -> Base:
    """Find what is there before anything is recorded: folders, and files by inode."""
    base = Base()
    for path, folders, files in os.walk(root):
        below = os.path.relpath(path, root)
        for name in folders:
            base.folders.append(os.path.normpath(f"{below}/{name}"))
        for name in files:
            file = Path(path, name)
            base.files.append((os.path.normpath(f"{below}/{name}"), file.stat().st_ino, file.read_bytes()))
    return base


def _continued(truth: Truth, at: int, log: Path, root: Path, base: Base) -> Truth:
    """Tell what is known for sure of a tree that lived through a cut before record `at` and went on."""
    history = read_history(recorder.read(log), root, base=base)
    before = [Told(ALREADY, told.what, told.value) for told in truth.history.told if told.at < at]
    history.told = [*before, *history.told]
    later = Truth.of(history)
    for path, lines in truth.lines.items():
        later.lines[path] |= lines
    return later
