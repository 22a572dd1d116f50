"""Says what is wanted, as the supervisor takes it: edits journaled, good versions kept, bad ones reported.

An editor is seen in the middle of saving, so a file is called bad only when the same bytes fail at two looks
that lie apart. Until it is mended, its last good version stays in force, over restarts too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from maos_sup.supervisor.life import Life
from state_layout.errors import LayoutError
from state_layout.files import codec
from state_layout.files.reading import read_record
from state_layout.paths import Tree
from state_layout.records import Specs
from state_layout.specs import SpecCache, SpecError, accept, digest_of

if TYPE_CHECKING:
    from state_layout.records.snapshots import SpecFault

JUDGE_AFTER_S = 0.3
MOST_AT_ONCE = 64  # files kept, each with a sync: the rest waits for the next turn


class SpecsInForce:
    """The object holds the specs in force; `refresh` looks again. Raises BadInput where nothing good was
    ever there."""

    def __init__(self, tree: Tree) -> None:
        self._tree, self._cache = tree, SpecCache(tree)
        self._read = self._cache.read()
        self._suspected_s: dict[SpecError, float] = {}
        self._reported: list[SpecError] = []
        self._concerned = set[str]()

    @property
    def now(self) -> Specs:
        """The specs are those in force."""
        return self._read.specs

    @property
    def digests(self) -> dict[str, str]:
        """The digests are the SHA-256 of every file in force, by path relative to `spec/`."""
        return self._read.digests

    @property
    def contents(self) -> Iterable[bytes]:
        """The contents are the bytes of every file in force."""
        return self._read.raw.values()

    @property
    def is_unrecorded(self) -> bool:
        """There is more for `record` to keep."""
        return bool(self._read.unaccepted)

    @property
    def is_long_to_keep(self) -> bool:
        """There is more to keep than one turn does."""
        return len(self._read.unaccepted) > MOST_AT_ONCE

    @property
    def is_unsure(self) -> bool:
        """A file failed once and has to be looked at again soon."""
        return len(self._suspected_s) > len(self._reported)

    def has_changed(self) -> bool:
        """A file is not as it was at the last look: a stat each, nothing is opened."""
        return self._cache.has_changed()

    def refresh(self, *, now_s: float) -> None:
        """Look at the files again."""
        before, self._read = self._read, self._cache.read()
        if before.digests != self._read.digests:
            self._concerned |= _concerned(
                before.digests, self._read.digests, (before.specs, self._read.specs)
            )
        self._suspected_s = {error: self._suspected_s.get(error, now_s) for error in self._read.errors}

    def were_edited(self) -> bool:
        """Read again, and say whether what is in force is not what the last look found. Never raises: the
        tree may be gone."""
        before = self.digests
        with suppress(LayoutError, OSError):
            self._read = self._cache.read()
        return self.digests != before

    def take_concerned(self) -> set[str]:
        """Take the agents whose specs changed since this was asked last."""
        concerned, self._concerned = self._concerned, set()
        return concerned

    def record(self, life: Life, *, now_s: float) -> None:
        """Journal what changed, keep the good versions, report the bad ones. Raises StorageError."""
        if self._read.unaccepted:
            rels = self._read.unaccepted[:MOST_AT_ONCE]
            self._accept({rel: self._read.raw[rel] for rel in rels}, life)
            if len(rels) < len(self._read.unaccepted):  # a look at all files after each part would cost more
                self._read = replace(self._read, unaccepted=self._read.unaccepted[len(rels) :])
            else:
                self.refresh(now_s=now_s)
        confirmed = [
            error for error, since_s in self._suspected_s.items() if now_s - since_s >= JUDGE_AFTER_S
        ]
        for error in confirmed:
            if error not in self._reported:
                life.commit("spec_error", _shown(error))
        self._reported = confirmed

    def errors_json(self) -> list[SpecFault]:
        """List the reported errors, as `status` shows them."""
        return [_shown(error) for error in self._reported]

    def _accept(self, contents: dict[str, bytes], life: Life) -> None:
        """Journal that `contents` are in force, with one sync for all of them, then keep them."""
        for rel, data in contents.items():
            before, after = self._accepted(rel), codec.decode_object(data)
            changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
            told: dict[str, object] = {"path": f"spec/{rel}", "sha256": digest_of(data), "changed": changed}
            if before:  # a new file is there to be read
                told["before"] = {key: _told(key, before[key]) for key in changed if key in before}
                told["after"] = {key: _told(key, after[key]) for key in changed if key in after}
            life.record_later("spec", told)
        life.sync()
        accept(self._tree, contents)

    def _accepted(self, rel: str) -> dict[str, object]:
        """Read what was in force before; {} if there was nothing."""
        try:
            return codec.decode_object(read_record(self._tree.accepted / rel))
        except (OSError, codec.NotJson):
            return {}


def _concerned(before: Mapping[str, str], after: Mapping[str, str], specs: Iterable[Specs]) -> set[str]:
    """Find the agents that need to know of the files of which the digests differ."""
    concerned = set[str]()
    for rel in before.keys() | after.keys():
        if before.get(rel) == after.get(rel):
            continue
        folder, _, name = rel.removesuffix(".json").rpartition("/")
        for known in specs:
            if folder == "tasks":
                concerned |= {known.tasks[name].agent} if name in known.tasks else set()
            else:
                concerned |= {name} if folder else known.agents.keys()
    return concerned


def _told(key: str, value: Any) -> Any:
    """Give a value as the journal has it; of the environment only the names."""
    return sorted(value) if key == "env" and isinstance(value, dict) else value


def _shown(error: SpecError) -> SpecFault:
    return {"path": error.path, "line": error.line, "key": error.key, "text": error.text}
