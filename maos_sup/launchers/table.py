"""The processes of this machine as a table, read from /proc, and who of them belongs to whom (pure)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache

from state_layout.identity import read_stat
from state_layout.marks import read_mark, read_raw

KTHREADD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One living process."""

    pid: int
    parent: int
    session: int
    start_time: int
    mark: str = ""  # "" for none, also where it was not asked for


Table = Mapping[int, Row]


def belonging(
    table: Table,
    *,
    marks: AbstractSet[str] = frozenset(),
    roots: AbstractSet[int] = frozenset(),
    kin: Callable[[str], bool] | None = None,
    spare: AbstractSet[int] = frozenset(),
) -> list[Row]:
    """Who wears one of `marks`, the `roots`, their sessions, and all that descends from these.

    A descendant that wears a mark which is not `kin` (not one of `marks`, if that is not given) belongs to
    somebody else, with its own descendants. `spare` is never in it. Parents come before their children.
    """
    is_kin = kin if kin is not None else marks.__contains__
    children: dict[int, list[Row]] = {}
    for row in table.values():
        children.setdefault(row.parent, []).append(row)
    todo = [row for row in table.values() if row.mark in marks or roots & {row.pid, row.session}]
    is_sure = {row.pid for row in todo}
    found: dict[int, Row] = {}
    while todo:
        row = todo.pop()
        is_strange = row.pid not in is_sure and row.mark and not is_kin(row.mark)
        if not (is_strange or row.pid in found or row.pid in spare):
            found[row.pid] = row
            todo += children.get(row.pid, ())
    return _parents_first(found)


def read_table(*, marked: bool) -> dict[int, Row]:
    """All living processes of this machine but the kernel's own; with their marks if `marked`."""
    pids = (int(name) for name in os.listdir("/proc") if name.isdecimal())  # noqa: PTH208 - names only
    return _rows(pids, marked=marked)


def read_descendants(pids: Iterable[int]) -> dict[int, Row]:
    """Those of `pids` that live and all that descends from them, with their marks."""
    table: dict[int, Row] = {}
    todo = list(pids)
    while todo:
        rows = _rows((pid for pid in todo if pid not in table), marked=True)
        table |= rows
        todo = [child for pid in rows for child in read_children(pid)]
    return table


def read_row(pid: int, *, marked: bool) -> Row | None:
    """One living process as of now."""
    stat = read_stat(pid)
    if stat is None or stat.is_gone:
        return None
    mark = (read_mark(pid) or "") if marked else ""
    return Row(pid=pid, parent=stat.parent, session=stat.session, start_time=stat.start_time, mark=mark)


def read_children(pid: int) -> list[int]:
    """The children of `pid`, dead ones that are not reaped included; none if it is gone."""
    children: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - names only
            children += map(int, read_raw(f"/proc/{pid}/task/{thread}/children").split())
    except OSError:
        return children
    return children


@cache
def knows_children() -> bool:
    """Whether this kernel lists the children of a process."""
    return os.path.exists(f"/proc/self/task/{os.getpid()}/children")  # noqa: PTH110 - a file of /proc


def _parents_first(found: Table) -> list[Row]:
    """`found` in that order. A table is no snapshot: rows that are each other's parents come last."""
    children: dict[int, list[Row]] = {}
    for row in found.values():
        children.setdefault(row.parent, []).append(row)
    ordered = {row.pid: row for row in found.values() if row.parent not in found}
    todo = list(ordered.values())
    while todo:
        below = children.get(todo.pop().pid, [])
        ordered.update((row.pid, row) for row in below)
        todo += below
    return list({**ordered, **found}.values())


def _rows(pids: Iterable[int], *, marked: bool) -> dict[int, Row]:
    rows = (read_row(pid, marked=marked) for pid in pids)
    return {row.pid: row for row in rows if row is not None and KTHREADD not in (row.pid, row.parent)}
