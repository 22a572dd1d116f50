"""Keep a bucket in step with a tree: new bytes become segments, and one object, the head, moves on to them.

The head is the manifest of all that is there. It is swapped for the next on the condition that it is still
the one that this process knows: so of two hosts with copies of one orchestration one alone moves it, and the
other learns that it was fenced. Whose it is says a claim, kept in `run/` and bound to the folder that
the tree is: a copy has none. After Litestream: segments never change, what counts is on the local disk first.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from maos_sup.backups.bucket import BucketStore
from maos_sup.backups.manifest import BackupHead, BackupManifest, StoredFile
from maos_sup.backups.repository import HEADS, BackupRepository
from maos_sup.backups.saving import Look, Saver, sound_segments
from state_layout.errors import BadInput, Locked, Lost, StorageError
from state_layout.files import atomic, codec
from state_layout.files.looking import is_regular
from state_layout.files.reading import read_record
from state_layout.paths import Tree
from state_layout.tree.elsewhere import id_of


class Synced(Struct, frozen=True, kw_only=True):
    """Tells what one step came to. `has_moved`: the head is another one now."""

    head: BackupHead
    has_moved: bool
    left_out: tuple[str, ...]


class Fenced(Locked):
    """Another copy of the orchestration has moved the head, or may."""


class TreeSync:
    """Keeps the head of `tree` in step. One process at a time does."""

    def __init__(
        self, tree: Tree, store: BucketStore, repository: BackupRepository, *, is_fenced: bool
    ) -> None:
        self._tree, self._store, self._repository = tree, store, repository
        self._is_fenced = is_fenced
        self._claim = claim_of(tree)
        self.name = f"{HEADS}{repository.key_of(id_of(tree))}"
        self._base: BackupManifest | None = None
        self._version: str | None = None
        self._sound: list[bool] = []  # of the segments of what was there at the beginning
        self._tried: bytes | None = None  # a head whose swap had no answer: it may be there

    def begin(self, *, may_take: bool = False) -> None:
        """Learn what is there. Raises Fenced if it is another's, unless `may_take`; Damaged, StorageError."""
        found = self._store.version(self.name)
        if found is None:
            return
        data, self._version = found
        self._base = self._repository.read(data, self.name)
        self._sound = sound_segments(self._repository, self._base)
        if self._base.head.claim != self._claim and not may_take:
            raise Fenced(f"{self._others(self._base.head)}; if that one is gone: --take")

    def step(self, *, look: Look, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Synced:
        """Bring what is new. Raises Fenced once another has moved the head.

        StorageError and Locked (a prune is at work) pass: try again. `look` is shown what is brought, and may
        raise.
        """
        if not is_regular(self._tree.format):
            raise BadInput(f"{self._tree.root}: was removed; what was synced stays")
        base = self._base
        sound = self._sound or [True] * (len(base.segments) if base else 0)
        saver = Saver(self._tree, self._repository, base, look=look, sound=sound)
        is_own = base is not None and base.head.claim == self._claim
        if base is not None and is_own and all(sound) and saver.knows_all():
            return Synced(head=base.head, has_moved=False, left_out=base.left_out)
        with self._repository.held():
            with saver.bringing():
                files = list(saver.files(lambda done, of: None))
                new = saver.manifest(files, now())
            if base is not None and is_own and _is_same(base, new):
                self._base = replace(new, head=base.head)  # it knows files that were young before
                return Synced(head=base.head, has_moved=False, left_out=new.left_out)
            told = replace(new.head, name=self.name, claim=self._claim, host=socket.gethostname())
            new = replace(new, head=told)
            self._move(self._repository.sealed(new))
            self._base, self._sound = new, []
            return Synced(head=told, has_moved=True, left_out=new.left_out)

    def _move(self, data: bytes) -> None:
        if not self._is_fenced:
            found = self._store.version(self.name)
            self._version = None if found is None else found[1]
        try:
            self._version = self._store.swap(self.name, data, self._version)
        except Lost as cause:
            self._settle(data, cause)
        except StorageError:
            self._tried = data
            raise
        self._tried = None

    def _settle(self, data: bytes, lost: Lost) -> None:
        """Go on if what stands there is ours, and only the answer got lost. Raises Fenced."""
        found = self._store.version(self.name)
        if found is not None and found[0] == data:
            self._version = found[1]
        elif found is not None and found[0] == self._tried:
            self._version = self._store.swap(self.name, data, found[1])
        else:
            raise Fenced(self._fenced(found)) from lost

    def _fenced(self, found: tuple[bytes, str] | None) -> str:
        if found is None:
            return f"{self._store.place}: the head of {id_of(self._tree)} is gone; begin again"
        head = self._repository.read(found[0], self.name).head
        if head.claim == self._claim:
            return f"{self._store.place}: another sync of this orchestration runs here; one is enough"
        return f"{self._others(head)}; nothing of this copy was brought since"

    def _others(self, head: BackupHead) -> str:
        return (
            f"{self._store.place}: {head.tree} is kept in sync from another copy, on {head.host} at {head.at}"
        )


def claim_of(tree: Tree) -> str:
    """The claim of `tree`, as it lies here, made if there is none: not that of what it is a copy of."""
    inode = tree.root.stat().st_ino
    with suppress(OSError, ValueError, KeyError):
        told = codec.decode_object(read_record(tree.sync_claim))
        if told["inode"] == inode:
            return str(told["claim"])
    told = {"claim": os.urandom(12).hex(), "inode": inode}
    atomic.make_folder(tree.run)
    atomic.replace(tree.sync_claim, codec.encode_pretty(told))
    return str(told["claim"])


def _is_same(base: BackupManifest, new: BackupManifest) -> bool:
    """Two manifests tell of the same tree: how files are known again does not count."""
    return (
        len(base.files) == len(new.files)
        and (base.folders, base.links, base.segments) == (new.folders, new.links, new.segments)
        and all(map(_is_same_file, base.files, new.files))
    )


def _is_same_file(one: StoredFile, other: StoredFile) -> bool:
    return one is other or (
        (one.name, one.mode, one.mtime_ns, one.size, one.pieces)
        == (other.name, other.mode, other.mtime_ns, other.size, other.pieces)
    )
