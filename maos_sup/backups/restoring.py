"""Bring a backup back, into a place where nothing is: made beside it, checked, then renamed.

What a repository says is not believed: names may lead nowhere else, each piece has its SHA-256, memory is
bounded by one segment, and there must be room for what is claimed.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path

from maos_sup.backups.manifest import BackupManifest, StoredFile, StoredPiece
from maos_sup.backups.reading import shown
from maos_sup.backups.repository import BackupRepository
from maos_sup.cuts import store as cut_store
from maos_sup.cuts.forking import fork
from maos_sup.moving.placing import checked, place, scratch_beside
from state_layout.errors import BadInput, Damaged, storage_error
from state_layout.files import atomic
from state_layout.files.reading import is_there
from state_layout.paths import Tree

Plan = dict[int, list[tuple[StoredFile, int, StoredPiece]]]  # by segment: of which file, at which offset
Moved = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredTree:
    """Tells what came back. `lost`: files that are damaged in the repository. `notes` are of `check`."""

    root: Path
    files: int
    size_bytes: int
    is_part: bool
    lost: tuple[str, ...]
    notes: tuple[str, ...]


def restore_backup(
    repository: BackupRepository,
    manifest: BackupManifest,
    root: Path,
    *,
    include: Sequence[str] = (),
    at: str | None = None,
    is_dry: bool = False,
    may_be_damaged: bool = False,
    is_checked: bool = True,
    is_durable: bool = True,
    moved: Moved = lambda segments, of: None,
) -> RestoredTree:
    """Make the tree `root` of a backup, or of some of its files (`include`), or as it was `at` a checkpoint.

    With `may_be_damaged` what cannot be read is left out, and `check` may find problems. Every byte is held
    against its hash; without `is_checked` the lines of the tree are not examined besides. Raises BadInput,
    Damaged, StorageError with nothing placed. Durable when it returns if `is_durable`.
    """
    if is_there(root):
        raise BadInput(f"{root}: is there already; name another place with -o")
    wanted = [each for each in manifest.files if _is_meant(each.path, include)]
    if include and not wanted:
        raise BadInput(f"{manifest.head.id}: holds nothing like {', '.join(include)}; backups show lists it")
    try:
        with repository.held_to_read(), scratch_beside(root, sum(each.size for each in wanted)) as scratch:
            tree = Tree(scratch / "tree")
            tree.root.mkdir(mode=atomic.FOLDER_MODE)
            if not include:
                _make_folders(tree.root, ("run", *manifest.folders))
            _make_files(tree.root, wanted)
            lost = set[str]()
            for path, trouble in _bring(repository, manifest, wanted, tree.root, moved):
                if not may_be_damaged:
                    raise trouble
                lost.add(path)
            _finish_files(tree.root, wanted, lost)
            links = [(path, target) for path, target in manifest.links if _is_meant(path, include)]
            _make_links(tree.root, links)
            if at is not None:
                tree = _at(tree, at, scratch / "then")
            notes = (
                checked(tree, "backup", may_be_damaged=may_be_damaged) if is_checked and not include else ()
            )
            if not is_dry:
                if is_durable:
                    os.sync()
                place(tree.root, root)
    except OSError as cause:
        raise storage_error("restore to", root, cause) from cause
    return RestoredTree(
        root=root,
        files=len(wanted) - len(lost),
        size_bytes=sum(each.size for each in wanted if each.path not in lost),
        is_part=bool(include),
        lost=tuple(map(shown, lost)),
        notes=notes,
    )


def plan_of(files: Sequence[StoredFile]) -> Plan:
    """List the pieces that are needed of each segment, and where they belong."""
    plan: Plan = defaultdict(list)
    for each in files:
        offset = 0
        for piece in each.pieces:
            plan[piece.segment].append((each, offset, piece))
            offset += piece.length
    return plan


def _make_files(root: Path, files: Sequence[StoredFile]) -> None:
    """Make what has no bytes, and the folders of all."""
    for folder in {(root / each.path).parent: None for each in files}:
        folder.mkdir(mode=atomic.FOLDER_MODE, parents=True, exist_ok=True)
    for each in files:
        if not each.pieces:
            with atomic.opened(f"{root}/{each.path}", os.O_WRONLY | os.O_CREAT):
                pass


def _bring(
    repository: BackupRepository,
    manifest: BackupManifest,
    files: Sequence[StoredFile],
    root: Path,
    moved: Moved,
) -> Iterator[tuple[str, Damaged]]:
    """Write the pieces of `files` below `root`, segment by segment; yield which file is damaged, and how."""
    plan = plan_of(files)
    for number, (segment, pieces) in enumerate(sorted(plan.items())):
        moved(number, len(plan))
        try:
            raw = repository.segment(manifest.segments[segment])
            for each, offset, piece in pieces:
                _write_piece(root, each, offset, piece, raw)
        except Damaged as cause:
            paths = list(dict.fromkeys(each.path for each, _, _ in pieces))
            more = f" and {len(paths) - 1} more files" if len(paths) > 1 else ""
            trouble = Damaged(
                f"{cause}; {shown(paths[0])}{more} of {manifest.head.id} cannot be restored; "
                "--damaged restores the rest, and the next backup stores them again"
            )
            trouble.__cause__ = cause
            yield from ((path, trouble) for path in paths)


def _finish_files(root: Path, files: Sequence[StoredFile], lost: Set[str]) -> None:
    for each in files:
        path = root / each.path
        if each.path in lost:
            path.unlink(missing_ok=True)
        elif len(each.pieces) != 1:
            path.chmod(each.mode)
            os.utime(path, ns=(each.mtime_ns, each.mtime_ns))


def _write_piece(root: Path, each: StoredFile, offset: int, piece: StoredPiece, raw: bytes) -> None:
    """Write one piece of a file; one that has no other is finished at once."""
    data = memoryview(raw)[piece.offset : piece.offset + piece.length]
    if sha256(data).hexdigest() != piece.sha256:
        raise Damaged(f"a piece of {shown(each.path)} does not have its SHA-256")
    with atomic.opened(f"{root}/{each.path}", os.O_WRONLY | os.O_CREAT) as descriptor:
        while data:
            written = os.pwrite(descriptor, data, offset)
            data, offset = data[written:], offset + written
        if len(each.pieces) == 1:
            os.fchmod(descriptor, each.mode)
            os.utime(descriptor, ns=(each.mtime_ns, each.mtime_ns))


def _make_folders(root: Path, folders: Sequence[str]) -> None:
    for path in folders:
        (root / path).mkdir(mode=atomic.FOLDER_MODE, parents=True, exist_ok=True)


def _make_links(root: Path, links: Sequence[tuple[str, str]]) -> None:
    """Make the links last of all: nothing is written through one."""
    for path, target in links:
        (root / path).parent.mkdir(mode=atomic.FOLDER_MODE, parents=True, exist_ok=True)
        (root / path).symlink_to(target)


def _at(tree: Tree, at: str, root: Path) -> Tree:
    """The tree as it was at its checkpoint `at`."""
    from state_layout.specs import read_specs

    id_ = str(read_specs(tree).specs.orchestration.id)
    return fork(tree, cut_store.find(tree, at), root, id_=id_, change=dict, memory=None, is_durable=False)


def _is_meant(path: str, include: Sequence[str]) -> bool:
    """The `path` or a folder above it is like one of `include` (`agent:bob`, `agents/*/session`), if any."""
    if not include:
        return True
    patterns = [f"agents/{each[6:]}" if each.startswith("agent:") else each.strip("/") for each in include]
    return any(_is_like(path.split("/"), pattern.split("/")) for pattern in patterns)


def _is_like(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    """The first of `parts` are like `patterns`, one by one."""
    return len(parts) >= len(patterns) and all(map(fnmatchcase, parts, patterns))
