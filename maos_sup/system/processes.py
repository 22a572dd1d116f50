"""The processes of this machine as a table, and who of them belongs to whom (pure)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache

from state_layout.host.kernel import is_linux, read_raw
from state_layout.host.marks import read_mark
from state_layout.host.stats import all_pids, read_stat

KTHREADD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRow:
    """The row is one living process."""

    pid: int
    parent: int
    session: int
    start_time: int
    mark: str = ""  # "" for none, or where it may not be read


Table = Mapping[int, ProcessRow]


def belonging(
    table: Table,
    *,
    marks: AbstractSet[str] = frozenset(),
    roots: AbstractSet[int] = frozenset(),
    kin: Callable[[str], bool] | None = None,
    spare: AbstractSet[int] = frozenset(),
) -> list[ProcessRow]:
    """Find who wears one of `marks`, the `roots`, their sessions, and all that descends from these.

    A descendant that wears a mark which is not `kin` (not one of `marks`, if that is not given) belongs to
    somebody else, with its own descendants. `spare` is never in it. Parents come before their children.
    """
    is_kin = kin if kin is not None else marks.__contains__
    children: dict[int, list[ProcessRow]] = {}
    for row in table.values():
        children.setdefault(row.parent, []).append(row)
    todo = [row for row in table.values() if row.mark in marks or roots & {row.pid, row.session}]
    is_sure = {row.pid for row in todo}
    found: dict[int, ProcessRow] = {}
    while todo:
        row = todo.pop()
        is_strange = row.pid not in is_sure and row.mark and not is_kin(row.mark)
        if not (is_strange or row.pid in found or row.pid in spare):
            found[row.pid] = row
            todo += children.get(row.pid, ())
    return parents_first(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A look at the processes came to this; no snapshot, they go on while one looks."""

    table: dict[int, ProcessRow]  # those that could be read
    pids: frozenset[int]  # all that were there
    is_torn: bool  # some had ended, perhaps leaving children that are not among them


def read_table(known: AbstractSet[int] = frozenset()) -> Listing:
    """Read all processes of this machine but those `known` and the kernel's own."""
    pids = all_pids()
    table, is_torn = _read_rows(pids - known)
    return Listing(table=table, pids=pids, is_torn=is_torn)


def read_descendants(roots: AbstractSet[int], known: AbstractSet[int] = frozenset()) -> Listing:
    """Read those of `roots` that are not `known`, and all that descends from these."""
    pids = frozenset(roots)
    todo = pids - known
    table, is_torn = _read_rows(todo)
    while todo:
        todo = frozenset(child for pid in todo for child in read_children(pid)) - pids
        rows, has_gaps = _read_rows(todo)
        table, pids, is_torn = table | rows, pids | todo, is_torn or has_gaps
    return Listing(table=table, pids=pids, is_torn=is_torn)


def read_row(pid: int) -> ProcessRow | None:
    """Read one living process as of now; None if it is gone."""
    stat = read_stat(pid)
    if stat is None or stat.is_gone:
        return None
    mark = read_mark(pid)
    if mark is None and ((stat := read_stat(pid)) is None or stat.is_gone):
        return None  # it ended while it was looked at
    return ProcessRow(
        pid=pid, parent=stat.parent, session=stat.session, start_time=stat.start_time, mark=mark or ""
    )


def read_children(pid: int) -> list[int]:
    """List the children of `pid`, dead ones that are not reaped included; none if it is gone."""
    children: list[int] = []
    if not knows_children():
        return children
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - names only
            children += map(int, read_raw(f"/proc/{pid}/task/{thread}/children").split())
    except OSError:
        return children
    return children


@cache
def knows_children() -> bool:
    """This kernel lists the children of a process."""
    return is_linux() and os.path.exists(f"/proc/self/task/{os.getpid()}/children")  # noqa: PTH110 - a file of /proc


def parents_first(found: Table) -> list[ProcessRow]:
    """Order `found` so that parents come first. A table is no snapshot: rows that are each other's parents
    come last."""
    children: dict[int, list[ProcessRow]] = {}
    for row in found.values():
        children.setdefault(row.parent, []).append(row)
    ordered = {row.pid: row for row in found.values() if row.parent not in found}
    todo = list(ordered.values())
    while todo:
        below = children.get(todo.pop().pid, [])
        ordered.update((row.pid, row) for row in below)
        todo += below
    return list({**ordered, **found}.values())


def _read_rows(pids: Iterable[int]) -> tuple[dict[int, ProcessRow], bool]:
    """Read the rows of `pids`, and say whether some had ended: perhaps just now, leaving children."""
    rows: dict[int, ProcessRow] = {}
    is_torn = False
    for pid in pids:
        row = read_row(pid)
        if row is None:
            is_torn = True
        elif not is_linux() or KTHREADD not in (pid, row.parent):
            rows[pid] = row
    return rows, is_torn
