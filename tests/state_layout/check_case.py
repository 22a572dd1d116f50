"""Writes down a case of damage: what is done to the tree of `check_trees`, and what is found then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import check_hands as hands

A1, A2, B1 = "agents/alice/attempts/0001", "agents/alice/attempts/0002", "agents/bob/attempts/0001"
JOURNAL = f"{A2}/journal.jsonl"
TORN = b'{"seq":99,"at":"2026-11-21T01:'


class Case(NamedTuple):
    """One kind of damage."""

    name: str
    damage: Callable[[Path], None]
    found: tuple[str, ...]
    left: tuple[str, ...] | None = None  # None: nothing is repaired


def at(rel: str, hand: Callable[..., object], *arguments: object) -> Callable[[Path], None]:
    return lambda root: done(hand(root / rel, *arguments))


def together(*damages: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda root: done([damage(root) for damage in damages])


def done(result: object) -> None:
    """What a hand returns is of no interest."""


def moved_out(rel: str) -> Callable[[Path], None]:
    return lambda root: hands.replace_by_link(root / rel, root.parent / "elsewhere")


def copied(root: Path) -> None:
    """As if the tree had just been copied without `run/`."""
    hands.remove(root / "run")


def no_checkpoints(attempt: str) -> Callable[[Path], None]:
    return lambda root: done([path.unlink() for path in (root / attempt).glob("checkpoint.*")])


def crlf(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def swap(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-2], lines[-1], lines[-2]]
