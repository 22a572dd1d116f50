"""Shared state in cuts: how far each writer's file belongs to a moment, and what a rewind does to the files.

To write a line of a shared scope is for a cut what sending is, to look at one what receiving is; so who knows
of a line that is not part of the moment goes back as well. People's lines are in no journal: those that are
there when the cut is taken belong to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maos_sup.cuts.traces import Moment, box_of
from state_layout.errors import storage_error
from state_layout.files import atomic, disk
from state_layout.files.chain import ORIGIN, Position
from state_layout.files.journal import Reader
from state_layout.files.looking import exists
from state_layout.paths import Tree
from state_layout.scopes.lines import Fold, ScopeEntry
from state_layout.scopes.names import Scope, folders_in
from state_layout.scopes.store import SUFFIX
from state_layout.scopes.telling import lines_of

Ends = dict[str, dict[str, tuple[int, int, str]]]  # by scope and writer: seq, offset, h
_VOID = ".void-"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMove:
    """The file `path` (in the tree) is set aside; `size` bytes of `source` beside it take its place."""

    path: str
    source: str
    size: int
    was: int

    def to_json(self) -> dict[str, object]:
        """Make the entry of a `rewind` line."""
        return {"source": self.source, "size": self.size, "was": self.was}

    @classmethod
    def from_json(cls, path: str, value: Mapping[str, Any]) -> StateMove:
        """Read what `to_json` wrote."""
        return cls(path=path, source=str(value["source"]), size=int(value["size"]), was=int(value["was"]))


def ends_at(tree: Tree, moment: Moment) -> Ends:
    """Tell how far each file belongs to `moment`. Raises StorageError."""
    found: Ends = {}
    for scope, folder in folders_in(tree):
        ends = dict[str, tuple[int, int, str]]()
        for path in _files(folder):
            writer = path.name.removesuffix(SUFFIX)
            end = _end(path, _last_of(moment, scope, writer))
            if end.seq:
                ends[writer] = (end.seq, end.offset, end.h)
        found[str(scope)] = ends
    return found


def sync_shared(tree: Tree) -> None:
    """Make every line durable that a cut may name. Raises StorageError."""
    for _, folder in folders_in(tree):
        for path in _files(folder):
            try:
                with atomic.opened(path, 0) as descriptor:
                    disk.fdatasync(descriptor)
            except OSError as cause:
                raise storage_error("sync", path, cause) from cause


def values_at(tree: Tree, scope: Scope, ends: Mapping[str, tuple[int, int, str]]) -> dict[str, ScopeEntry]:
    """The versions in force of every key of `scope` at `ends`, also where a rollback took them back since.

    Raises StorageError.
    """
    folder, fold = tree.state_scope(scope.sort, scope.owner), Fold()
    for writer, (seq, offset, h) in ends.items():
        end = Position(seq, offset, h)
        path = next((each for each in _versions(folder, writer) if _stands(each, end)), None)
        for _, line, fields in lines_of(folder, only=path, writer=writer) if path else ():
            if line.seq <= seq:
                fold.take(writer, line, fields)
    return {key: entry for key in fold.sorted_keys() if (entry := fold.get(key)) is not None}


def moves_to(
    tree: Tree, ends: Mapping[str, Mapping[str, tuple[int, int, str]]], *, only: frozenset[str] | None = None
) -> list[StateMove]:
    """Say what becomes of each file when `ends` is all that was ever written; of `only` these writers.

    A file in which the end of `ends` does not stand, nor in one set aside, is left alone. StorageError.
    """
    moves = list[StateMove]()
    for scope, folder in folders_in(tree):
        for writer in sorted({path.name.partition(".jsonl")[0] for path in folder.glob(f"*{SUFFIX}*")}):
            if only is None or writer in only:
                end = Position(*ends.get(str(scope), {}).get(writer, ORIGIN))
                moves += _move(tree, folder, writer, end)
    return moves


def moves_back(tree: Tree, last: Mapping[str, Mapping[str, int]]) -> list[StateMove]:
    """Find the moves for agents that go back in their own files; `last` by agent and scope their last
    line.

    Raises StorageError.
    """
    moves = list[StateMove]()
    for scope, folder in folders_in(tree):
        for writer, numbers in sorted(last.items()):
            path = folder / f"{writer}{SUFFIX}"
            end = _end(path, numbers.get(str(scope), 0))
            moves += _move(tree, folder, writer, end)
    return moves


def last_lines(moment: Moment, lines: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """By agent and scope the last line it had written when its journal ended at `lines`."""
    return {
        agent: {
            box[1:]: max((number for at, number in steps if at <= seq), default=0)
            for box, steps in moment.traces[agent].sent.items()
            if box == box_of(box[1:])
        }
        for agent, seq in lines.items()
        if agent in moment.traces
    }


def voids_in(tree: Tree) -> Iterator[str]:
    """The names of all files that rewinds set aside."""
    for _, folder in folders_in(tree):
        yield from (path.name for path in folder.glob(f"*{_VOID}*"))


def _move(tree: Tree, folder: Path, writer: str, end: Position) -> Iterator[StateMove]:
    current = folder / f"{writer}{SUFFIX}"
    was = _size(current)
    if _stands(current, end) and next(iter(Reader(current, end)), None) is None:
        return  # what follows is torn, at most: its writer sets it aside
    for path in _versions(folder, writer) if end.seq else (current,):
        if exists(path) and _stands(path, end):
            yield StateMove(path=tree.shown(current), source=path.name, size=end.offset, was=was)
            return


def _versions(folder: Path, writer: str) -> list[Path]:
    """List the file of a writer and those set aside, the newest first."""
    name = f"{writer}{SUFFIX}{_VOID}"
    aside = [path for path in folder.glob(f"{name}*") if path.name[len(name) :].isdigit()]
    aside.sort(key=lambda path: int(path.name[len(name) :]), reverse=True)
    return [folder / f"{writer}{SUFFIX}", *aside]


def _stands(path: Path, end: Position) -> bool:
    return end.offset <= _size(path) and Reader(path, end).stands()


def _last_of(moment: Moment, scope: Scope, writer: str) -> int | None:
    """The last line of `writer` that belongs to the moment; None: all there are."""
    trace = moment.traces.get(writer)
    if trace is None:
        return None
    steps, end = trace.sent.get(box_of(scope), ()), moment.cut.ends[writer]
    return max((number for at, number in steps if at <= end), default=0)


def _end(path: Path, last: int | None) -> Position:
    """Find the end of the line `last`, or of the last one."""
    end = ORIGIN
    for line in Reader(path):
        if last is not None and line.seq > last:
            break
        end = line.end
    return end


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
    except OSError as cause:
        raise storage_error("look at", path, cause) from cause
