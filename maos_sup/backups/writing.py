"""Bring pieces into segments: one is packed and stored by a thread while the next one is filled."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread

from maos_sup.backups.manifest import LARGEST_SEGMENT_BYTES, SegmentRef, StoredPiece
from maos_sup.backups.repository import BackupRepository
from state_layout.errors import LayoutError
from state_layout.files import disk

_SALT_BYTES = 8  # no other backup has the same segment: who brought it may take it back


class SegmentWriter:
    """Numbers the segments of a manifest: those that it begins with, then those that are brought.

    No more than two are in memory. `refs` is whole after `end`; `added_bytes` are of pieces.
    """

    def __init__(self, repository: BackupRepository, known: Sequence[SegmentRef]) -> None:
        self._repository = repository
        self._refs: list[SegmentRef | None] = [*known]
        self._pending = bytearray()
        self._storing: Thread | None = None
        self._failures = list[BaseException]()
        self.brought = list[SegmentRef]()
        self.added_bytes = 0

    def add(self, data: bytes, digest: str) -> StoredPiece:
        """Bring `data`, whose SHA-256 is `digest`; where it will lie. Raises what storing others raised."""
        if len(self._pending) + len(data) > LARGEST_SEGMENT_BYTES:
            self._store()
        if not self._pending:
            self._refs.append(None)
            self._pending += os.urandom(_SALT_BYTES)
        piece = StoredPiece(len(self._refs) - 1, len(self._pending), len(data), digest)
        self._pending += data
        self.added_bytes += len(data)
        return piece

    def end(self) -> tuple[SegmentRef, ...]:
        """Store what is left, durably; all segments. Raises StorageError, or what storing another raised."""
        if self._pending:
            self._store(is_last=True)
        self._wait()
        return tuple(each for each in self._refs if each is not None)

    def take_back(self) -> None:
        """Remove what was brought, as far as it goes: no manifest names it."""
        with suppress(LayoutError):
            self._wait()
        for ref in self.brought:
            with suppress(LayoutError):
                self._repository.store.remove(ref.name)

    def _store(self, *, is_last: bool = False) -> None:
        self._wait()
        number, raw, self._pending = len(self._refs) - 1, self._pending, bytearray()
        if is_last or disk.is_tapped():
            self._put(number, raw)
            return
        self._storing = Thread(target=self._try_to_put, args=(number, raw), name="segment")
        self._storing.start()

    def _wait(self) -> None:
        if self._storing is not None:
            self._storing.join()
            self._storing = None
        if self._failures:
            raise self._failures[0]

    def _try_to_put(self, number: int, raw: bytearray) -> None:
        try:
            self._put(number, raw)
        except BaseException as failure:  # noqa: BLE001 - raised by who waits for it
            self._failures.append(failure)

    def _put(self, number: int, raw: bytearray) -> None:
        ref = self._repository.put_segment(raw)
        self._refs[number] = ref
        self.brought.append(ref)
