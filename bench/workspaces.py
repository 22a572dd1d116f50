"""Measures what keeping an agent's files costs: a snapshot, a restore, the store's growth; beside git."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bench.figures import ROUNDS, Figures, Row, Section, scratch, sized, spread
from bench.peers import undoing
from maos_sup.agents.workplace.snapping import Snapper
from maos_sup.workspaces.restoring import restore
from maos_sup.workspaces.snapshots import WORKTREE, Camera, Snapshot, collect
from maos_sup.workspaces.store import Store
from state_layout.paths import Tree
from state_layout.records import Keep

if TYPE_CHECKING:
    from maos_sup.agents.attempt.life import AgentLife

FILES, CHANGED, LINES = sized(2000, 200), 5, 90
TAKEN, EDITED = sized(2000, 50), 10
FIRST, SAME, FIVE, BACK, INDEX, STASH = "first", "same", "five", "restore", "checkout-index", "stash"
MANY, MOST_HELD_MS = sized(50_000, 2_000), 100.0
MOST_SAME_MS, MOST_FIVE_MS, MOST_BACK, MOST_GROWTH = 10.0, 15.0, 1.5, 1.3


def measure() -> list[Section]:
    """The table of this file."""
    found: Figures = {name: [] for name in (FIRST, SAME, FIVE, BACK, INDEX, STASH)}
    for _ in range(min(ROUNDS, 5)):
        with scratch() as folder:
            _round(folder, found)
    with scratch() as folder:
        growth, after_mb = _growth(folder)
    many = f"{FILES:,} files"
    ratio = _middle(found[BACK]) / _middle(found[INDEX]) if found[INDEX] else 0.0
    rows = [
        Row(name=f"maos-sup, the first snapshot of {many} (CPU)", value=spread(found[FIRST], "ms", 1)),
        _row(f"maos-sup, a snapshot of {many}, unchanged (CPU)", found[SAME], MOST_SAME_MS),
        _row(f"maos-sup, a snapshot of {many}, {CHANGED} changed (CPU)", found[FIVE], MOST_FIVE_MS),
        Row(
            name=f"maos-sup, a restore of {many}, looked at before and after, synced",
            value=spread(found[BACK], "s", 2),
            ratio=f"{ratio:.2f}x checkout-index" if ratio else "",
            target=f"<= {MOST_BACK}x",
            met=bool(ratio) and ratio <= MOST_BACK,
        ),
        Row(
            name=f"the store after {TAKEN:,} snapshots, {EDITED} files changed in each",
            value=f"{growth:.2f}x the changed contents, compressed",
            target=f"<= {MOST_GROWTH}x",
            met=growth <= MOST_GROWTH,
        ),
        Row(name="the same after the rule of keeping (20, 24 hours, 14 days)", value=f"{after_mb:.1f} MB"),
        *_held_up(),
    ]
    rows += [
        Row(name=f"git {words} of {many}", value=spread(found[name], "s", 2))
        for name, words in ((INDEX, "checkout-index -a -f"), (STASH, "stash -u and stash pop"))
        if found[name]
    ]
    rows += _stepback()
    note = (
        "A snapshot is taken in the agent's process, without another one: stamps are looked at, "
        "what changed is read, compressed and kept. A restore removes and writes every file, by renames."
    )
    return [Section(title="Files of agents", note=note, rows=rows)]


def _held_up() -> list[Row]:
    """Measure how long a call waits for its snapshot in a large project, and until that has settled."""
    held, settled = list[float](), list[float]()
    with scratch() as folder:
        root, tree = folder / "agents" / "a" / "worktree", Tree(folder)
        for number in range(MANY):
            path = root / f"d{number // 100}" / f"f{number}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"value = {number}\n" * 5)
        snap = Snapper(cast("AgentLife", _Life(tree)), WORKTREE, lambda: None)
        began_s = time.monotonic()
        snap("task begins")
        first_s = time.monotonic() - began_s
        snap.settle()
        first_settled_s = time.monotonic() - began_s
        for number in range(5):
            _edit(root, range(CHANGED), f"round {number}\n", a_folder=100)
            began_s = time.monotonic()
            snap("after bash", call=f"c{number}")
            held.append(1e3 * (time.monotonic() - began_s))
            snap.settle()
            settled.append(time.monotonic() - began_s)
    what = f"maos-sup, a snapshot of {MANY:,} files, {CHANGED} changed"
    return [
        Row(
            name=f"{what}: the call is held up",
            value=spread(held, "ms", 1),
            target=f"<= {MOST_HELD_MS:g} ms",
            met=max(held) <= MOST_HELD_MS,
        ),
        Row(name=f"{what}: it has settled after", value=spread(settled, "s", 2)),
        Row(
            name=f"maos-sup, the first snapshot of {MANY:,} files: the task is held up",
            value=f"{first_s:.2f} s",
        ),
        Row(name="the same: it has settled after", value=f"{first_settled_s:.1f} s"),
    ]


class _Life:
    """Gives a snapper what it asks of the life of an agent."""

    agent, attempt, warn, warn_once = "a", 1, print, print

    def __init__(self, tree: Tree) -> None:
        self.tree, self.paths, self.recorder = tree, tree.agent("a"), self

    def look(self, _: object) -> int:
        """The `seq` of the newest line, as the recorder tells it."""
        return 1


def _stepback() -> list[Row]:
    """A rewind by stepback of as many files, two of them changed; nothing where it is not installed."""
    if undoing.STEPBACK in undoing.absent():
        return []
    with scratch() as folder:
        took_s = undoing.CONTESTANTS[undoing.STEPBACK](folder)
    return [Row(name=f"stepback, rewind of {undoing.FILES:,} files, 2 changed", value=f"{took_s:.2f} s")]


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _row(name: str, values: list[float], most_ms: float) -> Row:
    met = bool(values) and _middle(values) <= most_ms
    return Row(name=name, value=spread(values, "ms", 1), target=f"<= {most_ms:g} ms", met=met)


def _round(folder: Path, found: Figures) -> None:
    tree = _tree(folder)
    root = tree.agent("a").worktree
    camera = Camera(tree, "a", WORKTREE)
    first = _timed(camera, found[FIRST])
    _settle()
    _timed(camera, [])  # files as fresh as those are not believed by their stamps yet
    for _ in range(5):
        _timed(camera, found[SAME])
    for number in range(5):
        _edit(root, range(CHANGED), f"round {number}\n")
        _timed(camera, found[FIVE])
        _settle()
        _timed(camera, [])
    _clear(root)
    began_s = time.monotonic()
    restore(tree, "a", first, ())
    found[BACK].append(time.monotonic() - began_s)
    if shutil.which("git") is not None:
        _git(folder / "git", root, found)


def _tree(folder: Path) -> Tree:
    root = folder / "agents" / "a" / "worktree"
    chance = random.Random(1)
    for number in range(FILES):
        path = root / f"d{number // 40}" / f"f{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            "".join(
                f"value_{chance.randrange(10**9)} = compute({number}, {line})\n" * 2 for line in range(LINES)
            )
        )
    return Tree(folder)


def _settle() -> None:
    time.sleep(0.03)  # stamps of what was just written are not believed


def _timed(camera: Camera, into: list[float]) -> Snapshot:
    began_s = time.process_time()
    taken = camera.take(why="bench", seq=1)
    into.append(1e3 * (time.process_time() - began_s))
    return taken


def _edit(root: Path, numbers: range, text: str, *, a_folder: int = 40) -> None:
    for number in numbers:
        with (root / f"d{number // a_folder}" / f"f{number}.py").open("a") as file:
            file.write(text)


def _clear(root: Path) -> None:
    for path in root.iterdir():
        shutil.rmtree(path)


def _git(folder: Path, files: Path, found: Figures) -> None:
    shutil.copytree(files, folder)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@y.z", "-C", str(folder)]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "1"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    for path in folder.glob("d*"):
        shutil.rmtree(path)
    began_s = time.monotonic()
    subprocess.run([*git, "checkout-index", "-a", "-f"], check=True)
    os.sync()
    found[INDEX].append(time.monotonic() - began_s)
    _edit(folder, range(CHANGED), "edited\n")
    began_s = time.monotonic()
    for words in (["stash", "-u", "-q"], ["stash", "pop", "-q"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    found[STASH].append(time.monotonic() - began_s)


def _growth(folder: Path) -> tuple[float, float]:
    """Bytes of the store over those of what changed, compressed; MB after the rule of keeping."""
    tree = _tree(folder)
    root, camera = tree.agent("a").worktree, Camera(tree, "a", WORKTREE)
    camera.take(why="bench", seq=0)
    first, changed, chance = Store(tree).size_bytes(), 0, random.Random(2)
    for number in range(TAKEN):
        for file in chance.sample(range(FILES), EDITED):
            path = root / f"d{file // 40}" / f"f{file}.py"
            lines = path.read_text().splitlines(keepends=True)
            lines[chance.randrange(len(lines))] = f"changed_{number} = {chance.randrange(10**9)}\n"
            data = "".join(lines).encode()
            path.write_bytes(data)
            changed += len(zlib.compress(data))
        camera.take(why="bench", seq=number)
    growth = (Store(tree).size_bytes() - first) / changed
    collect(tree, Keep())
    return growth, Store(tree).size_bytes() / 1e6
