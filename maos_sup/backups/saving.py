"""Back a tree up: what changed is read, pieces that are not there yet are brought, the manifest comes last.

The tree may be living. Nothing is paused: a backup is as consistent as any copy, and `resume` brings a
restored tree to one moment. Who is killed leaves segments that no manifest names; `prune` takes them away.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from msgspec import Struct

from maos_sup.backups.manifest import (
    DAY,
    PIECE_BYTES,
    BackupHead,
    BackupManifest,
    StoredFile,
    StoredPiece,
    name_of,
    time_in,
    without_unused,
)
from maos_sup.backups.reading import TreeFiles
from maos_sup.backups.repository import BACKUPS, BackupRepository
from maos_sup.backups.writing import SegmentWriter
from state_layout.errors import BadInput, LayoutError
from state_layout.files import atomic
from state_layout.files.looking import is_regular
from state_layout.paths import Tree
from state_layout.tree.elsewhere import id_of

Look = Callable[[str, bytes], None]  # at the path and bytes of what will be stored; may raise
_OVERLAP_BYTES = 1 << 13
_SMALL_BYTES, _MOST_SMALL = 1 << 20, 64  # then small pieces at the end of a file become one again
_RACY_NS = 2_000_000_000  # what changed so shortly before may change again under the same time


class Backup(Struct, frozen=True, kw_only=True):
    """Tells what a backup came to. `read_files`: those that were not known to be the same."""

    manifest: BackupManifest
    read_files: int
    is_unread: bool  # there were others, and none could be read, for want of the key: all of it was brought


def back_up(
    tree: Tree,
    repository: BackupRepository,
    *,
    look: Look = lambda path, data: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    moved: Callable[[int, int], None] = lambda files, of: None,
) -> Backup:
    """Keep what `tree` holds as a new backup. `look` is shown all bytes that are to be stored, and may raise.

    `moved` is told how many files of how many are done. Raises BadInput, Damaged, Locked, StorageError with
    nothing that counts in the repository.
    """
    with repository.held():
        own = repository.newest(id_of(tree)) if repository.can_read else None
        base = own or repository.newest() if repository.can_read else None
        is_unread = own is None and bool(repository.names(id_of(tree)))
        saver = Saver(tree, repository, base, look=look, sound=sound_segments(repository, base))
        with saver.bringing():
            files = list(saver.files(moved))
            manifest = saver.manifest(files, now())
            if not is_regular(tree.format):
                raise BadInput(f"{tree.root}: was removed meanwhile; there is no new backup of it")
            sealed = repository.sealed(manifest)
        # if this fails it may be there all the same: nothing is taken back
        repository.store.put(manifest.head.name, sealed)
        return Backup(manifest=manifest, read_files=saver.read_files, is_unread=is_unread)


def sound_segments(repository: BackupRepository, base: BackupManifest | None) -> list[bool]:
    """Say of each segment of the last backup if it is there and whole; what others hold is stored again."""
    if base is None:
        return []
    sizes = repository.segment_sizes()
    return [sizes.get(each.sha256) == each.stored_bytes for each in base.segments]


class Saver:
    """The object makes one backup: what is in `base`, in segments that are `sound`, is not brought again."""

    def __init__(
        self,
        tree: Tree,
        repository: BackupRepository,
        base: BackupManifest | None,
        *,
        look: Look,
        sound: Sequence[bool],
    ) -> None:
        self._tree, self._repository, self._base, self._look = tree, repository, base, look
        self.writer = SegmentWriter(repository, base.segments if base else ())
        self._sound = sound
        self._known: dict[str, StoredPiece] | None = None
        self._began_ns = time.time_ns()
        self.read_files = 0
        self._found = TreeFiles.of(tree.root)

    def knows_all(self) -> bool:
        """Nothing has changed since `base`, as far as sizes, times and inodes tell. Reads no file."""
        base, found = self._base, self._found
        if base is None or (base.folders, base.links) != (tuple(found.folders), tuple(found.links)):
            return False
        return len(base.files) == len(found.files) and all(
            known.path == path and _is_same(known, stat)
            for known, (path, stat) in zip(base.files, found.files, strict=True)
        )

    @contextmanager
    def bringing(self) -> Iterator[None]:
        """Take back what was brought if the block fails: there is no manifest that names it."""
        try:
            yield
        except (LayoutError, KeyboardInterrupt):
            self.writer.take_back()
            raise

    def files(self, moved: Callable[[int, int], None]) -> Iterator[StoredFile]:
        """Each file of the tree, its pieces stored, or about to be with the segment that is being filled."""
        before = {each.path: each for each in self._base.files} if self._base else {}
        all_sound, count = all(self._sound), len(self._found.files)
        for number, (path, found) in enumerate(self._found.files):
            known = before.get(path)
            if known is not None and _is_same(known, found) and (all_sound or self._is_sound(known)):
                yield known
                continue
            moved(number, count)
            try:
                with atomic.opened(self._tree.root / path, os.O_RDONLY) as descriptor:
                    self.read_files += 1
                    yield self._read(path, descriptor, known)
            except OSError as cause:
                self._found.leave_out(path, cause)

    def _is_sound(self, known: StoredFile) -> bool:
        return all(self._sound[piece.segment] for piece in known.pieces)

    def _read(self, path: str, descriptor: int, known: StoredFile | None) -> StoredFile:
        found = os.fstat(descriptor)
        pieces, size, tail = list[StoredPiece](), 0, b""
        for old in [*_worth_keeping(known), None]:
            while data := _exactly(descriptor, PIECE_BYTES if old is None else old.length):
                size += len(data)
                digest = sha256(data).hexdigest()
                if old is not None and old.sha256 == digest and self._sound[old.segment]:
                    pieces.append(old)
                else:
                    self._look(path, tail + data)
                    pieces.append(self._stored(data, digest))
                tail = (tail + data)[-_OVERLAP_BYTES:]  # pieces may be of a few bytes each
                if old is not None:
                    break
        is_racy = found.st_ctime_ns > self._began_ns - _RACY_NS
        return StoredFile(
            name_of(path),
            found.st_mode & 0o777,
            found.st_mtime_ns,
            0 if is_racy else found.st_ctime_ns,
            found.st_ino,
            size,
            tuple(pieces),
        )

    def _stored(self, data: bytes, digest: str) -> StoredPiece:
        """Find where `data` lies, or will: it is brought only if neither the last backup nor this has it."""
        if self._known is None:
            self._known = self._known_pieces()
        known = self._known.get(digest)
        if known is not None:
            return known
        piece = self._known[digest] = self.writer.add(data, digest)
        return piece

    def _known_pieces(self) -> dict[str, StoredPiece]:
        if self._base is None:
            return {}
        pieces = (piece for each in self._base.files for piece in each.pieces)
        return {piece.sha256: piece for piece in pieces if self._sound[piece.segment]}

    def manifest(self, files: list[StoredFile], now: datetime) -> BackupManifest:
        """Make the manifest of what is stored, to be kept under a name that is newer than the one before."""
        segments, id_ = self.writer.end(), id_of(self._tree)
        if self._base is not None and self._base.head.name.startswith(BACKUPS):
            last = time_in(self._base.head.name)
            now = max(now, last + timedelta(microseconds=1))  # the clock may have gone back
        head = BackupHead(
            name=f"{BACKUPS}{self._repository.key_of(id_)}/{now:{DAY}}-{os.urandom(2).hex()}",
            tree=id_,
            request=_request_of(self._tree),
            at=f"{now:%Y-%m-%dT%H:%M:%SZ}",
            files=len(files),
            size_bytes=sum(each.size for each in files),
            added_bytes=self.writer.added_bytes,
            stored_bytes=sum(each.stored_bytes for each in self.writer.brought),
        )
        found = self._found
        return without_unused(
            BackupManifest(
                head=head,
                segments=segments,
                files=tuple(files),
                folders=tuple(found.folders),
                links=tuple(found.links),
                left_out=tuple(found.left_out),
            )
        )


def _is_same(known: StoredFile, found: os.stat_result) -> bool:
    return (
        known.size == found.st_size
        and known.ctime_ns == found.st_ctime_ns
        and known.mtime_ns == found.st_mtime_ns
        and known.inode == found.st_ino
        and known.mode == found.st_mode & 0o777
    )


def _worth_keeping(known: StoredFile | None) -> tuple[StoredPiece, ...]:
    """Choose the pieces of a file to compare with: many small ones at its end are to become one again."""
    if known is None:
        return ()
    pieces = known.pieces
    end = len(pieces)
    while end and pieces[end - 1].length < _SMALL_BYTES:
        end -= 1
    return pieces[:end] if len(pieces) - end > _MOST_SMALL else pieces


def _exactly(descriptor: int, size: int) -> bytes:
    """Read the next `size` bytes, fewer only at the end."""
    data = os.read(descriptor, size)
    while len(data) < size and (more := os.read(descriptor, size - len(data))):
        data += more
    return data


def _request_of(tree: Tree) -> str:
    from state_layout.files import codec
    from state_layout.files.reading import read_record

    with suppress(OSError, ValueError):
        return str(codec.decode_object(read_record(tree.orchestration_spec)).get("request", ""))
    return ""
