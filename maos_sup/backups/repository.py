"""A repository of backups: segments and manifests in a store, perhaps encrypted for who holds a key.

maos-sup-backups.json         what it is, an id of its own, for whom it is encrypted; written once
segments/<ab>/<sha256>        pieces of files; written once
backups/<tree>/<time>-<n>     a manifest, written last of all; <tree> is a hash of the orchestration's id
heads/<tree>                  a manifest of what is kept in sync; the only thing that is ever replaced
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path
from typing import Any

import zstandard
from msgspec import Struct

from maos_sup.backups.manifest import (
    LARGEST_SEGMENT_BYTES,
    BackupHead,
    BackupManifest,
    SegmentRef,
    head_of,
    manifest_of,
    time_in,
    unpacked,
)
from maos_sup.backups.store import BackupStore
from state_layout.errors import BadInput, Damaged
from state_layout.files import codec

MARKER = "maos-sup-backups.json"
BACKUPS, SEGMENTS, HEADS = "backups/", "segments/", "heads/"
LATEST = "latest"
VERSION = 1
_LEVEL = 3
_MOST_NAMED = 5


class _Marker(Struct, frozen=True, kw_only=True):
    id: str
    recipients: tuple[str, ...]


class BackupRepository:
    """Reads and writes what is kept in a store; opened by `begun` or `opened`."""

    def __init__(self, store: BackupStore, marker: _Marker, identity: Path | None) -> None:
        self.store, self._marker, self._identity = store, marker, identity
        self._keys: list[object] | None = None
        self.note: Callable[[str], None] = lambda text: None  # what a person should know meanwhile

    @classmethod
    def begun(
        cls, store: BackupStore, *, recipients: Sequence[str] = (), identity: Path | None = None
    ) -> BackupRepository:
        """The repository in `store`, made if there is none, encrypted for `recipients`.

        Raises BadInput for keys that are none or others than it was made with, Damaged, StorageError.
        """
        data = store.get(MARKER)
        if data is None:
            _recipients(recipients)
            told = {"backups": VERSION, "id": os.urandom(8).hex(), "recipients": list(recipients)}
            store.put(MARKER, codec.encode_pretty(told))
            data = store.get(MARKER)  # somebody else may have been first
        marker = _marker(data or b"", store.place)
        if recipients and sorted(recipients) != sorted(marker.recipients):
            whom = ", ".join(each[:20] for each in marker.recipients) or "nobody: it is not encrypted"
            raise BadInput(f"{store.place}: is for {whom}; name the same with --recipient, or another place")
        return cls(store, marker, identity)

    @classmethod
    def opened(cls, store: BackupStore, *, identity: Path | None = None) -> BackupRepository:
        """Open the repository in `store`. Raises BadInput if there is none."""
        data = store.get(MARKER)
        if data is None:
            raise BadInput(f"{store.place}: holds no backups; make one with maos-sup backup --to")
        return cls(store, _marker(data, store.place), identity)

    @property
    def is_encrypted(self) -> bool:
        """Only a key makes what is stored readable."""
        return bool(self._marker.recipients)

    @property
    def can_read(self) -> bool:
        """The repository can be read by whom it was opened for: it is not encrypted, or a key is at hand."""
        return not self.is_encrypted or self._identity is not None

    def held(self, *, alone: bool = False) -> AbstractContextManager[None]:
        """Hold it, as its store does."""
        return self.store.held(alone=alone)

    def held_to_read(self) -> AbstractContextManager[None]:
        """Hold it so that nobody prunes; where no lock can be put, only `note` that."""
        return self.store.held(alone=False, note=self.note)

    # -- manifests

    def key_of(self, tree: str) -> str:
        """Name the orchestration `tree` by a word for object names; it tells nothing of the work."""
        return sha256(f"{self._marker.id} {tree}".encode()).hexdigest()[:16]

    def names(self, tree: str | None = None) -> list[str]:
        """The names of all backups, or of those of `tree`: the oldest first, by tree."""
        prefix = BACKUPS if tree is None else f"{BACKUPS}{self.key_of(tree)}/"
        return sorted(name for name, _ in self.store.sizes(prefix))

    def synced(self) -> list[str]:
        """The names of what is kept in sync: a manifest each, which moves on."""
        return sorted(name for name, _ in self.store.sizes(HEADS))

    def sealed(self, manifest: BackupManifest) -> bytes:
        """A manifest as it is stored."""
        return self._sealed(manifest.encoded())

    def read(self, data: bytes, name: str) -> BackupManifest:
        """The manifest that is stored as `data`; its names are only compared with. Raises Damaged."""
        return manifest_of(self._unsealed(data, name), name)

    def head(self, name: str) -> BackupHead:
        """Read the head of the backup `name`. Raises Damaged."""
        return head_of(self._unsealed(self._there(name), name), name)

    def heads(self) -> Iterator[BackupHead | Damaged]:
        """Read the head of each backup, the oldest first; of one that cannot be read, why."""
        for name in sorted(self.names(), key=_by_time):
            try:
                yield self.head(name)
            except Damaged as cause:
                yield cause

    def manifest(self, name: str) -> BackupManifest:
        """Read the backup `name`. Raises Damaged, also for names that lead out of a tree."""
        found = manifest_of(self._unsealed(self._there(name), name), name)
        found.refuse_escapes()
        return found

    def newest(self, tree: str | None = None) -> BackupManifest | None:
        """The newest backup that can be read, of `tree` or of any; its names are only compared with."""
        for name in sorted(self.names(tree), key=_by_time, reverse=True):
            try:
                return manifest_of(self._unsealed(self._there(name), name), name)
            except Damaged:
                continue
        return None

    def found(self, word: str) -> str:
        """The name of the one backup that `word` means: a part of its id, an orchestration, `latest`.

        Raises BadInput for none or several, and for an empty word: an unset variable names no backup.
        """
        if not word.strip():
            raise BadInput(f"the name of the backup is empty; give a part of it, an id, or {LATEST}")
        names = sorted(self.names(), key=_by_time)
        if word == LATEST and names:
            return names[-1]
        matching = [name for name in names if word and word in name.rpartition("/")[2]]
        if len(matching) == 1:
            return matching[0]
        own = self.names(word)
        if own:
            return own[-1]
        if not matching and self.can_read:
            matching = self._of_trees(word, names)
        if len(matching) == 1:
            return matching[0]
        if matching:
            some = ", ".join(name.rpartition("/")[2] for name in matching[:_MOST_NAMED])
            raise BadInput(f"{word!r} may mean {len(matching)} backups: {some}; say more of it")
        raise BadInput(f"{self.store.place}: has no backup {word!r}; backups list shows what there is")

    def _of_trees(self, word: str, names: Sequence[str]) -> list[str]:
        """The newest backup of each orchestration whose id holds `word`."""
        newest = {name.rpartition("/")[0]: name for name in names}
        return [name for name in newest.values() if word in self.head(name).tree]

    def _there(self, name: str) -> bytes:
        if name.startswith(BACKUPS):
            time_in(name)  # one that was renamed would be taken for the newest, or the oldest
        data = self.store.get(name)
        if data is None:
            raise Damaged(f"{self.store.place}: {name} is gone; backups list shows what there is")
        return data

    # -- segments

    def segment_sizes(self) -> dict[str, int]:
        """Give the stored bytes of each segment, by its SHA-256."""
        return {name.rpartition("/")[2]: size for name, size in self.store.sizes(SEGMENTS)}

    def put_segment(self, raw: bytes | bytearray) -> SegmentRef:
        """Keep pieces, durably; where they are."""
        stored = self._sealed(zstandard.ZstdCompressor(level=_LEVEL).compress(raw))
        ref = SegmentRef(sha256=sha256(stored).hexdigest(), stored_bytes=len(stored), raw_bytes=len(raw))
        self.store.put(ref.name, stored)
        return ref

    def segment(self, ref: SegmentRef, *, is_read: bool = True) -> bytes:
        """The pieces of a segment, held against its hash. Raises Damaged if it is gone or altered.

        Without `is_read` it is only held against its hash, which needs no key.
        """
        stored = self.store.get(ref.name)
        if stored is None:
            raise Damaged(f"{self.store.place}: {ref.name} is missing")
        if sha256(stored).hexdigest() != ref.sha256:
            raise Damaged(f"{self.store.place}: {ref.name} does not have the SHA-256 of its name")
        if not is_read:
            return b""
        try:
            raw = unpacked(self._unsealed(stored, ref.name), LARGEST_SEGMENT_BYTES)
        except zstandard.ZstdError as cause:
            raise Damaged(f"{self.store.place}: {ref.name} cannot be unpacked ({cause})") from cause
        if len(raw) != ref.raw_bytes:
            raise Damaged(f"{self.store.place}: {ref.name} has {len(raw)} bytes, not {ref.raw_bytes}")
        return raw

    # -- encryption

    def _sealed(self, data: bytes) -> bytes:
        if not self.is_encrypted:
            return data
        import pyrage

        sealed: bytes = pyrage.encrypt(data, _recipients(self._marker.recipients))
        return sealed

    def _unsealed(self, data: bytes, name: str) -> bytes:
        if not self.is_encrypted:
            return data
        import pyrage

        if self._keys is None:
            self._keys = self._read_keys()
        try:
            plain: bytes = pyrage.decrypt(data, self._keys)
        except pyrage.DecryptError as cause:
            raise Damaged(
                f"{self.store.place}: {name} cannot be decrypted with this key ({cause})"
            ) from cause
        return plain

    def _read_keys(self) -> list[object]:
        if self._identity is None:
            raise BadInput(f"{self.store.place}: is encrypted; name the file with your key: --identity FILE")
        from maos_sup.moving.keys import identities_in

        try:
            return identities_in(self._identity)
        except OSError as cause:
            raise BadInput(f"{self._identity}: {cause.strerror}; name the file with your key") from cause


def _by_time(name: str) -> str:
    return name.rpartition("/")[2]


def _recipients(texts: Iterable[str]) -> list[object]:
    if not texts:
        return []
    from maos_sup.moving.keys import recipient_of

    return [recipient_of(text, "--recipient") for text in texts]


def _marker(data: bytes, place: str) -> _Marker:
    try:
        told: Mapping[str, Any] = codec.decode_object(data)
        if told["backups"] > VERSION:
            raise BadInput(f"{place}: is of version {told['backups']}; use a newer maos-sup")
        return _Marker(id=str(told["id"]), recipients=tuple(map(str, told["recipients"])))
    except (ValueError, KeyError, TypeError) as cause:
        raise Damaged(f"{place}: {MARKER} is not in form; put the file back as it was") from cause
