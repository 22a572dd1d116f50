"""Histories of what processes did, and whether they could have happened one after the other.

Everything here is pure. Times are of one machine's monotonic clock, taken by the process that acts. After
Herlihy and Wing: a history is fine if its operations can be put in one order that keeps the order in which
they ended and began. For a lock held for life and for a queue of one sender and one reader that order is
known, so it is checked directly instead of searched for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from programs.outside import entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Something that a process did as the writer of an agent, in its `life` (attempt)."""

    at_ns: int
    process: int
    life: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A message given over: begun, and acknowledged unless its sender died in between."""

    n: int
    begun_ns: int
    ended_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """A message taken by its reader, for good."""

    n: int
    at_ns: int


def one_writer(writes: Sequence[Write], whose: str) -> Iterator[str]:
    """Problems of "at most one live writer": `writes` as they stand in the file, all lives.

    A process that wrote once must not write again after another did, no life may follow a later one, and the
    order in the file is the order in time.
    """
    over = set[tuple[int, int]]()  # with its life: in a long run a pid comes again
    for before, after in pairwise(writes):
        if after.process != before.process:
            over.add((before.process, before.life))
        if (after.process, after.life) in over:
            yield f"{whose}: process {after.process} wrote again after another had begun"
        if after.life < before.life:
            yield f"{whose}: life {after.life} wrote after life {before.life}"
        if after.at_ns < before.at_ns:
            yield f"{whose}: what process {after.process} wrote later happened earlier"


def one_holder(holds: Iterable[tuple[int, int, int]], whose: str) -> Iterator[str]:
    """Problems of a lock: `holds` are (from, to, process), from when it was got to when it was last held."""
    ordered = sorted(holds)
    for before, after in pairwise(ordered):
        if after[0] < before[1]:
            yield f"{whose}: process {after[2]} got it while process {before[2]} held it"


def exactly_once_in_order(sends: Sequence[Send], takes: Sequence[Take], way: str) -> Iterator[str]:
    """Problems of delivery: taken in order, each once, after it was sent; none acknowledged passed over."""
    for before, after in pairwise(takes):
        if after.n == before.n:
            yield f"{way}: {after.n} was taken twice"
        elif after.n < before.n:
            yield f"{way}: {after.n} was taken after {before.n}"
    by_n = {send.n: send for send in sends}
    for take in takes:
        if take.n not in by_n:
            yield f"{way}: {take.n} was taken and never sent"
        elif take.at_ns < by_n[take.n].begun_ns:
            yield f"{way}: {take.n} was taken before it was sent"
    taken = {take.n for take in takes}
    last = max(taken, default=0)
    for send in sends:
        if send.ended_ns is not None and send.n < last and send.n not in taken:
            yield f"{way}: {send.n} was acknowledged and passed over"


# -- from the ledgers that agents keep outside of their tree


def writes_of(ledger: Path) -> list[Write]:
    """List what the lives of one agent did, in the order of its ledger."""
    return [Write(at_ns=at_ns, process=pid, life=life) for *_, at_ns, pid, life in _timed(ledger)]


def sends_of(ledger: Path, to: str) -> list[Send]:
    """List what an agent sent to `to`, by the number that it gave each message."""
    begun: dict[int, int] = {}
    ended: dict[int, int] = {}
    for word, kind, n, at_ns, *_ in _timed(ledger):
        if kind == f"to {to}":
            (begun if word == "intent" else ended)[n] = at_ns
    return [Send(n=n, begun_ns=at_ns, ended_ns=ended.get(n)) for n, at_ns in begun.items()]


def takes_of(ledger: Path, sender: str, *, numbers: dict[int, int]) -> list[Take]:
    """List what an agent took of `sender`; `numbers` has by seq the number the sender gave the message."""
    return [
        Take(n=numbers[n], at_ns=at_ns)
        for word, kind, n, at_ns, *_ in _timed(ledger)
        if word == "done" and kind == f"took {sender}" and n in numbers
    ]


def _timed(ledger: Path) -> list[Any]:
    """The entries that say when and by whom; those of older ledgers do not."""
    return [entry for entry in entries(ledger) if len(entry) == 6]
