"""Says what is known of a thread without its lines: where checkpoints, channel values and writes lie.

The fold of the lines that FORMAT.md describes. It grows by a few hundred bytes for a checkpoint and holds no
value, so a thread with large state costs little to keep open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from maos_sup.integrations.shared_journal import Fields, JournalPlace

Version = str | int | float


class CheckpointPlace(NamedTuple):
    """Says where a checkpoint lies, and what it continues from."""

    place: JournalPlace
    parent: str | None


class WritePlace(NamedTuple):
    """Says where a pending write lies: the `nth` of the line at `place`."""

    path: str
    task: str
    idx: int
    channel: str
    place: JournalPlace
    nth: int


Writes = dict[tuple[str, int], WritePlace]  # by task and idx


class ThreadIndex:
    """An index is the fold of one thread's journal."""

    def __init__(self) -> None:
        self.thread_id: str | None = None
        self.checkpoints: dict[str, dict[str, CheckpointPlace]] = {}  # by namespace and id
        self.latest: dict[str, str] = {}  # the highest id of a namespace
        self._values: dict[tuple[str, str, Version], tuple[JournalPlace, int] | None] = {}
        self._writes: dict[tuple[str, str], Writes] = {}

    def take(self, fields: Fields, place: JournalPlace) -> None:
        """Fold one line."""
        match fields["type"]:
            case "thread":
                self.thread_id = fields["thread_id"]
            case "checkpoint":
                self._take_checkpoint(fields, place)
            case "values":
                self._take_values(fields, place)
            case "writes":
                self._take_writes(fields, place)

    def value(self, ns: str, channel: str, version: Version) -> tuple[JournalPlace, int] | None:
        """Find the value of `channel` at `version` (line, nth); None if it has none."""
        return self._values.get((ns, channel, version))

    def is_stored(self, ns: str, channel: str, version: Version) -> bool:
        """The index knows what `channel` has at `version`, be it nothing."""
        return (ns, channel, version) in self._values

    def writes(self, ns: str, id_: str) -> Writes:
        """The writes stored with a checkpoint."""
        return self._writes.get((ns, id_), {})

    def ordered_writes(self, ns: str, id_: str) -> list[WritePlace]:
        """The same in the order in which a step's tasks are applied: by path, task, idx."""
        return sorted(self.writes(ns, id_).values(), key=lambda write: write[:3])

    def all_writes(self) -> Iterator[tuple[tuple[str, str], Writes]]:
        """Every checkpoint (namespace, id) that has writes, with them."""
        yield from self._writes.items()

    def lineage(self, ns: str, id_: str) -> Iterator[tuple[str, JournalPlace]]:
        """Yield the ancestors of a checkpoint, the nearest first."""
        known, seen = self.checkpoints.get(ns, {}), {id_}
        found = known.get(id_)
        while found is not None and found.parent is not None and found.parent not in seen:
            id_ = found.parent
            seen.add(id_)
            found = known.get(id_)
            if found is not None:
                yield id_, found.place

    def _take_checkpoint(self, fields: Fields, place: JournalPlace) -> None:
        ns, id_ = fields["ns"], fields["id"]
        self.checkpoints.setdefault(ns, {})[id_] = CheckpointPlace(place, fields.get("parent"))
        self.latest[ns] = max(id_, self.latest.get(ns, ""))
        self._take_values(fields, place)

    def _take_values(self, fields: Fields, place: JournalPlace) -> None:
        for nth, value in enumerate(fields["values"]):
            key = (fields["ns"], value["channel"], value["version"])
            self._values[key] = None if "empty" in value else (place, nth)

    def _take_writes(self, fields: Fields, place: JournalPlace) -> None:
        task, path = fields["task"], fields["path"]
        known = self._writes.setdefault((fields["ns"], fields["id"]), {})
        for nth, write in enumerate(fields["writes"]):
            idx = write["idx"]
            known[task, idx] = WritePlace(path, task, idx, write["channel"], place, nth)


def new_writes(
    index: ThreadIndex, key: tuple[str, str], task: str, writes: Sequence[Mapping[str, Any]]
) -> list[Any]:
    """Pick those of `writes` that count: the first of an idx stands, but special ones (below 0) are
    replaced."""
    known: Mapping[tuple[str, int], WritePlace] = index.writes(*key)
    return [write for write in writes if write["idx"] < 0 or (task, write["idx"]) not in known]
