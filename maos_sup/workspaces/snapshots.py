"""Snapshots of what an agent has in its workspace: `agents/<agent>/snapshots/<number>.json`, a manifest each.

Taken by whoever holds the agent's lock. One that finds nothing changed is not kept twice: the newest one
stands for both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

from maos_sup.core.keeping import to_remove
from maos_sup.workspaces.manifest import FOLDER, Manifest, Scan
from maos_sup.workspaces.store import Store
from state_layout.errors import BadInput, Damaged, reason_of, storage_error
from state_layout.files import atomic, codec, disk
from state_layout.files.chain import utc_now
from state_layout.files.reading import opened_record, read_record
from state_layout.paths import AgentPaths, Tree
from state_layout.records import Keep

WORKTREE, WORKSPACE = "worktree", "workspace"
MOST_STORE_BYTES = 500 << 20
MOST_NAMED = 50
RESTORING = "restore.json"  # in `restoring/`: the record of a restore that is under way
NO_SEQ = -1  # of one that a person had taken: it stands for no moment of the agent


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A snapshot is that of a `place`: `worktree` or `workspace`. `seq`: of the agent's newest journal
    line then. `why` for people.

    `call`: the tool call after which it was taken. `head`: the commit that was checked out. `manifest`: the
    name of its content in the store. `excluded`: how many paths are not in it, `left_out` some of them.
    """

    number: int
    at: str
    why: str
    place: str
    seq: int
    manifest: str
    files: int
    size_bytes: int
    call: str | None = None
    head: str | None = None
    attempt: int = 0  # of the agent, in whose journal `seq` is
    settling: bool = False  # taken while the agent worked on: not of one moment
    excluded: int = 0
    left_out: tuple[str, ...] = ()


class Camera:
    """Takes snapshots of one agent's workspace; knows what it saw last."""

    def __init__(self, tree: Tree, agent: str, place: str) -> None:
        self._paths, self._store, self._place = tree.agent(agent), Store(tree), place
        self.root = folder_of(self._paths, place)
        self._scan = Scan(self.root, self._store.put)
        self._numbers = numbers(self._paths)
        self._last: Snapshot | None = None
        newest = self._newest()
        if newest is not None and newest.place == place:
            with suppress(Damaged):
                self._scan.know(manifest_of(self._store, newest))

    @property
    def store(self) -> Store:
        return self._store

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep what is looked at from being swept before it is on record. Raises Locked, StorageError."""
        with self._store.in_use() as has_been_swept:
            if has_been_swept:
                self._scan.forget()
            yield

    def look(self) -> Manifest:
        """List what is there now; its contents are kept, until they are on record only within `in_use`.

        Raises Locked, StorageError.
        """
        try:
            with self.in_use():
                return self._scan.look(now_ns=time.time_ns())
        except OSError as cause:
            raise storage_error("look at", self.root, cause) from cause

    def take(
        self,
        *,
        why: str,
        seq: int,
        call: str | None = None,
        head: str | None = None,
        attempt: int = 0,
        settling: Callable[[], bool] = lambda: False,
        is_new: bool = False,
        seen: Manifest | None = None,
    ) -> Snapshot:
        """A snapshot of what is there now: a new one, or the newest where nothing changed, unless `is_new`.

        `seen`: what `look` gave just now, within the same `in_use`.

        Raises Locked, StorageError.
        """
        with self.in_use():
            return self._taken(
                why=why,
                seq=seq,
                call=call,
                head=head,
                attempt=attempt,
                settling=settling,
                is_new=is_new,
                seen=seen,
            )

    def _taken(
        self,
        *,
        why: str,
        seq: int,
        call: str | None,
        head: str | None,
        attempt: int,
        settling: Callable[[], bool],
        is_new: bool,
        seen: Manifest | None,
    ) -> Snapshot:
        seen = self.look() if seen is None else seen
        last = self._newest()
        is_new = is_new or (last is not None and last.seq == NO_SEQ)  # that stands for no moment of the agent
        if (
            not is_new
            and last is not None
            and (last.manifest, last.place, last.head) == (seen.top, self._place, head)
        ):
            return last
        files = [entry for entry in seen.entries.values() if entry.kind != FOLDER]
        taken = Snapshot(
            number=max(self._numbers, default=0) + 1,
            at=utc_now(),
            why=why,
            place=self._place,
            seq=seq,
            manifest=seen.top,
            files=len(files),
            size_bytes=sum(entry.size for entry in files),
            call=call,
            head=head,
            attempt=attempt,
            settling=settling(),
            excluded=len(seen.excluded),
            left_out=seen.excluded[:MOST_NAMED],
        )
        atomic.make_folder(self._paths.snapshots)
        atomic.refresh(self._paths.snapshot(taken.number), codec.encode(_json(taken)) + b"\n")
        self._numbers.append(taken.number)
        self._last = taken
        return taken

    def _newest(self) -> Snapshot | None:
        if self._last is None and self._numbers:
            with suppress(BadInput, Damaged):
                self._last = read(self._paths, max(self._numbers))
        return self._last


def folder_of(paths: AgentPaths, place: str) -> Path:
    """The folder that a snapshot is of."""
    return paths.worktree if place == WORKTREE else paths.workspace


def numbers(paths: AgentPaths) -> list[int]:
    """The numbers of the snapshots that are there, lowest first."""
    try:
        names = [path.stem for path in paths.snapshots.glob("*.json")]
    except OSError:
        return []
    return sorted(int(name) for name in names if name.isdecimal())


def read(paths: AgentPaths, number: int) -> Snapshot:
    """Read the snapshot of this number. Raises BadInput where there is none, Damaged."""
    path = paths.snapshot(number)
    try:
        value = codec.decode_object(read_record(path))
        known = {each.name: value[each.name] for each in fields(Snapshot) if each.name in value}
        return Snapshot(**{**known, "left_out": tuple(known.get("left_out", ()))})
    except FileNotFoundError as cause:
        raise BadInput(f"no snapshot {number}; 'maos-sup files' lists those that there are") from cause
    except (OSError, codec.NotJson, TypeError) as cause:
        raise Damaged(f"{path}: is no snapshot ({reason_of(cause)}); remove it") from cause


def every(paths: AgentPaths) -> Iterator[Snapshot]:
    """All that can be read, lowest number first."""
    for number in numbers(paths):
        try:
            yield read(paths, number)
        except (BadInput, Damaged):
            continue


OF_CHECKPOINT = "checkpoint "


def at_line(paths: AgentPaths, attempt: int, seq: int, *, checkpoint: int) -> Snapshot | None:
    """The newest that was taken when the agent's journal was no further than line `seq` of `attempt`.

    What was taken for a later checkpoint than `checkpoint` does not count: files change without a line.
    What was taken in a future that was taken back does not count: its lines have the numbers of others.
    """
    counts = _counting(paths, attempt, seq)
    found = [
        one
        for one in every(paths)
        if NO_SEQ < one.seq <= counts.get(one.attempt, NO_SEQ) and not _is_later(one, checkpoint)
    ]
    return max(found, key=lambda one: (one.seq, one.number), default=None)


def _is_later(one: Snapshot, checkpoint: int) -> bool:
    number = one.why.removeprefix(OF_CHECKPOINT)
    return number != one.why and number.isdecimal() and int(number) > checkpoint


def _counting(paths: AgentPaths, attempt: int, seq: int) -> dict[int, int]:
    """Up to which line each attempt counts, from line `seq` of `attempt` back, by the pins."""
    counts = dict[int, int]()
    while attempt > 0 and attempt not in counts:
        counts[attempt] = seq
        try:
            with opened_record(paths.attempt(attempt).journal) as file:
                pin = codec.decode_object(file.readline()).get("pin")
        except (OSError, codec.NotJson):
            break
        if not isinstance(pin, dict):
            break
        attempt, seq = int(pin.get("attempt", 0)), int(pin.get("seq", 0))
    return counts


def before_call(paths: AgentPaths, call: str) -> Snapshot | None:
    """The one before that which was taken after the tool call `call` (its id, or the beginning of it)."""
    found = [one for one in every(paths) if one.seq > NO_SEQ]
    for earlier, later in pairwise(found):
        if later.call is not None and later.call.startswith(call):
            return earlier
    return None


def manifest_of(store: Store, snapshot: Snapshot) -> Manifest:
    """Read the manifest of `snapshot`. Raises Damaged."""
    return Manifest.read(snapshot.manifest, store.get)


def collect(tree: Tree, rule: Keep, *, most_bytes: int = MOST_STORE_BYTES) -> tuple[int, int]:
    """Remove what `rule` does not keep, and of each agent the oldest while the store is above `most_bytes`.

    How many snapshots, and how many bytes. The newest of each agent stays. Raises StorageError.
    """
    store, agents = Store(tree), [tree.agent(folder.name) for folder in sorted(tree.agents.glob("*"))]
    removed = sum(_thin(paths, rule) for paths in agents)
    freed = store.sweep(lambda: _wanted(store, agents))
    while store.size_bytes() > most_bytes:
        oldest = min(
            (one for paths in agents for one in _but_newest(paths)), default=None, key=lambda each: each[1].at
        )
        if oldest is None:
            break
        disk.unlink(oldest[0].snapshot(oldest[1].number))
        removed += 1
        freed += store.sweep(lambda: _wanted(store, agents))
    return removed, freed


def _thin(paths: AgentPaths, rule: Keep) -> int:
    found = [*every(paths)]
    gone = to_remove(
        [(one.number, one.at) for one in found],
        kept=[*(one.number for one in found[-1:]), *_being_restored(paths)],
        rule=rule,
    )
    for number in gone:
        disk.unlink(paths.snapshot(number))
    return len(gone)


def _but_newest(paths: AgentPaths) -> list[tuple[AgentPaths, Snapshot]]:
    kept = _being_restored(paths)
    return [(paths, one) for one in [*every(paths)][:-1] if one.number not in kept]


def _being_restored(paths: AgentPaths) -> set[int]:
    """The numbers that a restore which was cut off still needs."""
    try:
        told = codec.decode_object(read_record(paths.restoring / RESTORING))
    except (OSError, codec.NotJson):
        return set()
    return {number for key in ("target", "before") if isinstance(number := told.get(key), int)}


def _wanted(store: Store, agents: list[AgentPaths]) -> set[str]:
    wanted = set[str]()
    for paths in agents:
        for one in every(paths):
            wanted.add(one.manifest)
            try:
                held = manifest_of(store, one)
            except Damaged:
                continue  # whoever wants that snapshot is told; others are thinned all the same
            wanted |= held.bases | {entry.object for entry in held.entries.values() if entry.object}
    return wanted


def _json(snapshot: Snapshot) -> dict[str, object]:
    value = {each.name: getattr(snapshot, each.name) for each in fields(Snapshot)}
    return {key: item for key, item in value.items() if item not in (None, ()) and item is not False}


def stored(tree: Tree) -> tuple[int, int]:
    """Count the snapshots of the agents of `tree`, and the bytes that their contents take on the disk."""
    agents = sorted(tree.agents.glob("*/snapshots"))
    count = sum(len(numbers(tree.agent(folder.parent.name))) for folder in agents)
    return count, Store(tree).size_bytes() if count else 0
