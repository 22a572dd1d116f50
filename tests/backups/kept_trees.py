"""Trees that are backed up in tests, and what lies in them."""

from __future__ import annotations

import os
from pathlib import Path

from lives import Life
from mirrored_trees import team, work

from maos_sup.supervisor.life import begin_life
from state_layout.paths import Tree

LONG_AGO_NS = 1_700_000_000_000_000_000


def filled(root: Path, *, id_: str = "20261130-0100-count-ab12") -> Tree:
    """A tree at rest, with a workspace that has all that a workspace may have."""
    made = team(root, id_=id_)
    begin_life(made)
    alice = work(made)
    alice.journal.close()
    workspace = made.agent("alice").workspace
    (workspace / "deep" / ("n" * 120)).mkdir(parents=True)
    (workspace / "deep" / ("n" * 120) / "umlaut \u00fc.txt").write_text("here")
    (workspace / os.fsdecode(b"no utf-8 \xff")).write_bytes(b"bytes")
    (workspace / "empty").mkdir()
    (workspace / "nothing").touch()
    (workspace / "tool.sh").write_text("#!/bin/sh\n")
    (workspace / "tool.sh").chmod(0o750)
    (workspace / "large").write_bytes(os.urandom(1 << 16) * 160)
    (workspace / "inside").symlink_to("deep/../tool.sh")
    (workspace / "python").symlink_to("/usr/bin/python3")
    return made


def grow(tree: Tree, words: str = "more") -> Life:
    """Another life of `alice` adds lines to what is there; it ends."""
    life = Life(tree, "alice")
    for number in range(3):
        life.step(f"{words}{number}", ("bob", f"{words} {number}"), cost_usd=0.5, tokens=10)
    life.journal.close()
    return life


def contents(root: Path) -> dict[str, object]:
    """Read what a backup keeps of a tree: bytes, modes and times of files, targets of links, folders."""
    found: dict[str, object] = {}
    for path in root.rglob("*"):
        rel = str(path.relative_to(root))
        if rel.split("/")[0] == "run" or path.name in ("lock", ".lock"):
            continue
        if path.is_symlink():
            found[rel] = str(path.readlink())
        elif path.is_dir():
            found[rel] = None
        else:
            stat = path.stat()
            found[rel] = (path.read_bytes(), stat.st_mode & 0o777, stat.st_mtime_ns)
    return found


def objects(repo: Path) -> list[str]:
    """List what lies in a repository."""
    return sorted(str(path.relative_to(repo)) for path in repo.rglob("*") if path.is_file())


def segments(repo: Path) -> list[Path]:
    return _whole(repo / "segments")


def manifests(repo: Path) -> list[Path]:
    """The oldest first."""
    return _whole(repo / "backups")


def _whole(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and ".tmp-" not in path.name)
