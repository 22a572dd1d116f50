"""Write an orchestration into an archive: a copy is taken first, so it is of files that stand still."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pyrage
import zstandard

from maos_sup.cuts.copying import copy_tree
from maos_sup.cuts.forking import fork
from maos_sup.cuts.record import TeamCut
from maos_sup.moving.archive import (
    BLOCK_BYTES,
    LARGEST_MANIFEST_BYTES,
    MANIFEST,
    ArchivedFile,
    ArchiveManifest,
    is_lock,
    is_safe,
    leads_inside,
)
from maos_sup.moving.keys import recipient_of
from maos_sup.moving.placing import scratch_for, sweep
from state_layout.errors import BadInput, storage_error
from state_layout.files import atomic
from state_layout.files.reading import is_there
from state_layout.paths import FORMAT_LINE, Tree
from state_layout.specs import read_specs

_LEVEL = 3
_CHUNK_BYTES = 1 << 20
_ALWAYS = frozenset({"spec"})
_OTHERS_MAY = 0o600


def export(
    tree: Tree,
    out: Path,
    *,
    cut: TeamCut | None = None,
    only: Sequence[str] = (),
    recipients: Sequence[str] = (),
    passphrase: str | None = None,
    look: Callable[[Tree], None] = lambda copy: None,
) -> ArchiveManifest:
    """Write `tree`, or what it was at `cut`, to the new file `out`; what was written.

    `only`: top folders. `recipients`: age or ssh public keys, for whom alone it can be read; or a
    `passphrase`. `look` is shown the copy that goes into the archive, and may raise. The file is there whole
    or not at all. Raises BadInput, Damaged, StorageError.
    """
    keys = [recipient_of(text, "--to") for text in recipients]
    if is_there(out):
        raise BadInput(f"{out}: is there already; name another file with -o")
    try:
        sweep(out)
        with scratch_for(out) as scratch:
            copy = _copied(tree, scratch / "tree", cut)
            look(copy)
            manifest = _described(copy, only)
            if cut is None:
                manifest = replace(manifest, left_out=(*manifest.left_out, *_no_files(tree.root, only)))
            if cut is not None:
                manifest = replace(manifest, checkpoint=cut.label)
            plain = scratch / "archive"
            _write(copy, manifest, plain)
            shutil.rmtree(copy.root)
            _place(_sealed(plain, scratch / "sealed", keys, passphrase), out)
            return manifest
    except OSError as cause:
        raise storage_error("write", out, cause) from cause


def _copied(tree: Tree, root: Path, cut: TeamCut | None) -> Tree:
    if cut is None:
        copy = copy_tree(tree, root, is_durable=False)
        atomic.create_once(copy.format, FORMAT_LINE)
        shutil.copystat(tree.format, copy.format)  # it tells when the orchestration began
        return copy
    id_ = str(read_specs(tree).specs.orchestration.id)
    return fork(tree, cut, root, id_=id_, change=dict, memory=None, is_durable=False)


def _described(copy: Tree, only: Sequence[str]) -> ArchiveManifest:
    spec = read_specs(copy).specs.orchestration
    files, folders, links, left_out = list[ArchivedFile](), list[str](), list[tuple[str, str]](), list[str]()
    for path, entry in _walk(copy.root, ""):
        if only and path.split("/")[0] not in {*only, *_ALWAYS}:
            continue
        if not is_safe(path):
            continue
        if entry.is_symlink():
            target = os.readlink(entry.path)  # noqa: PTH115 - as text
            if leads_inside(path, target):
                links.append((path, target))
            else:
                left_out.append(f"{path}: a link that leads out of its folder")
        elif entry.is_dir():
            folders.append(path)
        elif entry.is_file() and not is_lock(path):
            files.append(_file(path, Path(entry.path)))
    return ArchiveManifest(
        id=spec.id,
        request=spec.request,
        project_name=Path(spec.project).name if spec.project else None,
        only=tuple(only) or None,
        checkpoint=None,
        folders=tuple(folders),
        links=tuple(links),
        files=tuple(files),
        left_out=tuple(left_out),
    )


def _no_files(root: Path, only: Sequence[str]) -> list[str]:
    """List the pipes, sockets and devices in a tree, which no copy of it has."""
    return [
        f"{path}: no file, but a pipe, a socket or a device"
        for path, entry in _walk(root, "")
        if is_safe(path) and (not only or path.split("/")[0] in {*only, *_ALWAYS})
        if not (entry.is_symlink() or entry.is_dir() or entry.is_file()) and is_there(Path(entry.path))
    ]


def _walk(root: Path, where: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    for entry in sorted(os.scandir(root / where), key=lambda entry: entry.name):
        path = f"{where}/{entry.name}" if where else entry.name
        try:
            path.encode()
        except UnicodeEncodeError as cause:
            raise BadInput(f"{path!r}: the name is not UTF-8, which archives need; rename it") from cause
        yield path, entry
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, path)


def _file(path: str, source: Path) -> ArchivedFile:
    digest, found = sha256(), source.stat()
    with source.open("rb") as file:
        while data := file.read(_CHUNK_BYTES):
            digest.update(data)
    return ArchivedFile(
        path=path,
        size=found.st_size,
        sha256=digest.hexdigest(),
        is_executable=bool(found.st_mode & 0o100),
        mtime_ns=found.st_mtime_ns,
    )


def _write(copy: Tree, manifest: ArchiveManifest, plain: Path) -> None:
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    with plain.open("xb") as file, compressor.stream_writer(file, closefd=False) as out:
        data = manifest.encoded()
        if len(data) > LARGEST_MANIFEST_BYTES:  # nobody would import it
            raise BadInput(f"{len(manifest.files)} files are too many for an archive; use cp -a or backup")
        out.write(_header(MANIFEST, len(data), executable=False))
        out.write(data + _padding(len(data)))
        for each in manifest.files:
            out.write(_header(each.path, each.size, executable=each.is_executable))
            with (copy.root / each.path).open("rb") as source:
                shutil.copyfileobj(source, out, _CHUNK_BYTES)
            out.write(_padding(each.size))
        out.write(bytes(2 * BLOCK_BYTES))


def _header(name: str, size: int, *, executable: bool) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o700 if executable else 0o600
    return info.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % BLOCK_BYTES)


def _sealed(plain: Path, sealed: Path, keys: Sequence[object], passphrase: str | None) -> Path:
    """The archive as it will be: encrypted as `sealed` if there is something to encrypt it for."""
    if not keys and passphrase is None:
        return plain
    with plain.open("rb") as source, sealed.open("xb") as target:
        if passphrase is not None:
            from maos_sup.moving.passphrase import encrypt

            encrypt(source, target, passphrase)
        else:
            pyrage.encrypt_io(source, target, list(keys))
    return sealed


def _place(ready: Path, out: Path) -> None:
    """Bring the archive to its place, durably and never over another file."""
    ready.chmod(_OTHERS_MAY)
    with atomic.opened(ready, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)
    try:
        os.link(ready, out, follow_symlinks=False)
    except FileExistsError as cause:
        raise BadInput(f"{out}: is there already; name another file with -o") from cause
    atomic.fsync_folder(out.parent)
