"""Measures what a backup costs beside restic: first, again with nothing new, after new lines, and back."""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.figures import (
    ROUNDS,
    Bars,
    Figures,
    Row,
    Section,
    interleaved,
    not_run,
    ratio,
    sized,
    spread,
)
from bench.large_trees import Talker, tree_of_talkers

AGENTS = 20
FILES, FILE_BYTES = sized(2_000, 200), 9_000
LINES, NEW_LINES = sized(20_000, 2_000), sized(200_000, 5_000)
MOST_AGAIN, MOST_NEW = 0.3, 1.0
SETTLED_S = 2.1  # a file that changed just before a backup is read again by the next
OURS, PEER = "maos-sup", "restic"
FIRST, AGAIN, AFTER, VERIFY = "first", "again", "new lines", "verify"
BACK, CHECKED = "restore", "restore with check"
STEPS = (FIRST, AGAIN, AFTER, BACK, CHECKED, VERIFY)
Commands = dict[str, list[str]]
Steps = dict[str, Figures]


def measure() -> list[Section]:
    """The table of this file."""
    found: Steps = {step: {OURS: [], PEER: []} for step in STEPS}
    spent: Steps = {step: {OURS: [], PEER: []} for step in STEPS}
    has_peer = shutil.which(PEER) is not None
    interleaved({"both": lambda folder: _round(folder, found, spent, has_peer=has_peer)}, min(ROUNDS, 3))
    size = f"{FILES:,} files of workspaces, {AGENTS} agents, {LINES:,} lines"
    rows = [
        *_rows(f"the first backup of {size}", found[FIRST]),
        *_rows("again, nothing changed", found[AGAIN], most=MOST_AGAIN),
        *_rows(f"after {NEW_LINES:,} new lines", found[AFTER], most=MOST_NEW),
        *_rows("the same, CPU again with nothing changed", spent[AGAIN]),
        *_rows("the same, CPU after new lines", spent[AFTER]),
        *_rows("restore of all, held against its hashes (--no-check)", found[BACK]),
        *_rows("restore of all, each line examined, too", found[CHECKED]),
        *_rows("verify, every byte read", found[VERIFY]),
    ]
    if not has_peer:
        rows.append(not_run(PEER, "not installed; apt-get install restic"))
    bars = [
        Bars(
            title=f"Backup, {step}",
            unit="seconds",
            better="less",
            values={name: sorted(values)[len(values) // 2] for name, values in found[step].items() if values},
        )
        for step in (AGAIN, AFTER)
    ]
    note = (
        "Whole commands as people call them, each with a repository of its own in a folder; restic "
        "compresses and encrypts, ours compresses. Seconds on the wall."
    )
    return [Section(title="Backups", note=note, rows=rows, bars=bars)]


def _rows(what: str, figures: Figures, *, most: float | None = None) -> list[Row]:
    rows = []
    for name, values in figures.items():
        if not values:
            continue
        if name == PEER or not figures[PEER]:
            rows.append(Row(name=f"{name}: {what}", value=spread(values, "s", 2)))
            continue
        share = ratio(figures, name, PEER)
        target = f"<= {most:g}x restic" if most is not None else ""
        met = share <= most if most is not None else None
        text = f"{share:.2f}x restic"
        rows.append(
            Row(name=f"{name}: {what}", value=spread(values, "s", 2), ratio=text, target=target, met=met)
        )
    return rows


def _round(folder: Path, found: Steps, spent: Steps, *, has_peer: bool) -> float:
    tree, talkers = tree_of_talkers(folder / "tree", agents=AGENTS, lines=LINES)
    _fill_workspaces(tree.root)
    contestants = {OURS: _ours(folder), PEER: _peer(folder)} if has_peer else {OURS: _ours(folder)}
    if has_peer:
        _call(["restic", "init", "--quiet"], folder)
    changes: dict[str, Callable[[], None]] = {AFTER: lambda: _talk(talkers)}
    for step in STEPS:
        changes.get(step, lambda: None)()
        os.sync()
        time.sleep(SETTLED_S)
        for name, commands in contestants.items():
            took_s, cpu_s = _call(commands[step], folder)
            found[step][name].append(took_s)
            spent[step][name].append(cpu_s)
    for talker in talkers:
        talker.end()
    return 0.0


def _ours(folder: Path) -> Commands:
    program, repo = [sys.executable, "-m", "maos_sup"], ["--to", str(folder / "ours")]
    backup = [*program, "backup", str(folder / "tree"), *repo]
    restore = [*program, "backups", "restore", "latest", *repo]
    return {
        FIRST: backup,
        AGAIN: backup,
        AFTER: backup,
        BACK: [*restore, "-o", str(folder / "back"), "--no-check"],
        CHECKED: [*restore, "-o", str(folder / "back-checked")],
        VERIFY: [*program, "backups", "verify", "--read", *repo],
    }


def _peer(folder: Path) -> Commands:
    backup = ["restic", "backup", "--quiet", str(folder / "tree")]
    restore = ["restic", "restore", "latest", "--quiet", "--target"]
    return {
        FIRST: backup,
        AGAIN: backup,
        AFTER: backup,
        BACK: [*restore, str(folder / "back-restic")],
        CHECKED: [*restore, str(folder / "back-restic-again")],
        VERIFY: ["restic", "check", "--read-data", "--quiet"],
    }


def _call(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds that a command took, on the wall and of processors; it must succeed."""
    environment = os.environ | {
        "RESTIC_REPOSITORY": str(folder / "restic"),
        "RESTIC_PASSWORD": "bench",
        "RESTIC_CACHE_DIR": str(folder / "cache"),
        "MAOS_SUP_HOME": str(folder / "home"),
    }
    began_s, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    took_s, after = time.monotonic() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    return took_s, cpu_s


def _fill_workspaces(root: Path) -> None:
    chance = random.Random(1)
    folders = sorted(path for path in (root / "agents").iterdir())
    for number in range(FILES):
        folder = folders[number % len(folders)] / "workspace" / f"d{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}.txt").write_bytes(chance.randbytes(FILE_BYTES // 4).hex().encode() * 2)


def _talk(talkers: list[Talker]) -> None:
    for _ in range(NEW_LINES // len(talkers)):
        for talker in talkers:
            talker.step()
    for talker in talkers:
        talker.sync()
