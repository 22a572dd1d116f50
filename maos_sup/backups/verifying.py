"""Examine a repository: each manifest in form, each segment there and of its size, or read to its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from maos_sup.backups.manifest import BackupManifest, SegmentRef, StoredPiece
from maos_sup.backups.repository import BackupRepository
from maos_sup.backups.restoring import plan_of
from state_layout.errors import Damaged

Moved = Callable[[int, int], None]
_MOST_NAMED = 3


@dataclass(slots=True)
class RepositoryVerdict:
    """Tells what was examined, and what is wrong, a line each. `unused`: segments that no backup needs."""

    backups: int = 0
    segments: int = 0
    unused: int = 0
    read_bytes: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Needed:
    """A segment, who needs it, and the pieces in it."""

    ref: SegmentRef
    backups: list[str] = field(default_factory=list)
    pieces: set[StoredPiece] = field(default_factory=set)


def verify_repository(
    repository: BackupRepository,
    names: Sequence[str] = (),
    *,
    is_read: bool = False,
    moved: Moved = lambda segments, of: None,
) -> RepositoryVerdict:
    """Examine all backups, or those called `names`; with `is_read` all their bytes. Only reads.

    Raises StorageError, and BadInput where a key is needed and there is none.
    """
    verdict = RepositoryVerdict()
    with repository.held_to_read():
        needed = _needed(repository, names or [*repository.names(), *repository.synced()], verdict)
        sizes = repository.segment_sizes()
        for number, each in enumerate(needed.values()):
            trouble = _size_trouble(each, sizes)
            if trouble is None and is_read:
                moved(number, len(needed))
                trouble = _trouble_inside(repository, each)
                verdict.read_bytes += each.ref.stored_bytes
            if trouble is not None:
                some = ", ".join(each.backups[:_MOST_NAMED])
                more = (
                    f" and {len(each.backups) - _MOST_NAMED} more" if len(each.backups) > _MOST_NAMED else ""
                )
                verdict.problems.append(f"{trouble}; needed by {some}{more}")
        verdict.segments = len(needed)
        verdict.unused = 0 if names else len(sizes.keys() - needed.keys())
    return verdict


def _needed(
    repository: BackupRepository, names: Sequence[str], verdict: RepositoryVerdict
) -> dict[str, _Needed]:
    needed = dict[str, _Needed]()
    for name in names:
        try:
            manifest = repository.manifest(name)
        except Damaged as cause:
            verdict.problems.append(str(cause))
            continue
        verdict.backups += 1
        _note(manifest, needed)
    return needed


def _note(manifest: BackupManifest, needed: dict[str, _Needed]) -> None:
    for number, pieces in plan_of(manifest.files).items():
        ref = manifest.segments[number]
        each = needed.setdefault(ref.sha256, _Needed(ref))
        each.backups.append(manifest.head.id)
        each.pieces |= {StoredPiece(0, piece.offset, piece.length, piece.sha256) for _, _, piece in pieces}


def _size_trouble(each: _Needed, sizes: dict[str, int]) -> str | None:
    size = sizes.get(each.ref.sha256)
    if size is None:
        return f"{each.ref.name}: is missing"
    if size != each.ref.stored_bytes:
        return f"{each.ref.name}: has {size} bytes, not {each.ref.stored_bytes}"
    return None


def _trouble_inside(repository: BackupRepository, each: _Needed) -> str | None:
    try:
        raw = memoryview(repository.segment(each.ref, is_read=repository.can_read))
    except Damaged as cause:
        return str(cause)
    if not repository.can_read:
        return None
    for piece in each.pieces:
        if sha256(raw[piece.offset : piece.offset + piece.length]).hexdigest() != piece.sha256:
            return f"{each.ref.name}: a piece does not have its SHA-256"
    return None
