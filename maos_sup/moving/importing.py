"""Read an archive that a stranger may have made: nothing is placed before all of it was checked.

It is unpacked into a scratch folder beside its place, each member held against the manifest (place, size,
SHA-256), then `check` looks at the whole; only then it is renamed into place. Memory is bounded whatever the
archive claims.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Protocol

import pyrage
import zstandard

from maos_sup.moving.archive import (
    BLOCK_BYTES,
    LARGEST_MANIFEST_BYTES,
    MANIFEST,
    WINDOW_BYTES,
    ArchivedFile,
    ArchiveManifest,
    manifest_of,
)
from maos_sup.moving.keys import identities_in
from maos_sup.moving.placing import checked, place, scratch_beside
from state_layout.errors import BadInput, Damaged, storage_error
from state_layout.files import atomic
from state_layout.files.looking import is_dir, is_regular
from state_layout.files.reading import is_there
from state_layout.paths import Tree

_AGE = b"age-encryption.org/v1\n"
_SCRYPT = _AGE + b"-> scrypt "
_ZSTD = b"\x28\xb5\x2f\xfd"
_CHUNK_BYTES = 1 << 20
_LARGEST_EXTENSION_BYTES = 1 << 16
_MOST_PADDING_BYTES = 10240
_EXTENSION = b"x"
_ALTERED = "the archive was altered, or is no archive of maos-sup"


class _Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Tells what an archive held; `root` is where it lies now, or would lie. `notes` are of `check`."""

    manifest: ArchiveManifest
    root: Path
    notes: tuple[str, ...]


def import_archive(
    archive: Path,
    where: Callable[[ArchiveManifest], Path],
    *,
    beside: Path,
    identity: Path | None = None,
    passphrase: Callable[[], str] | None = None,
    is_dry: bool = False,
    may_be_damaged: bool = False,
    finish: Callable[[Tree], None] = lambda tree: None,
) -> Imported:
    """Check `archive` and make the tree at `where(manifest)`, where nothing may be; `finish` edits it before.

    `passphrase` is asked where one opens it. What is decrypted lies, without a name, in the folder `beside`
    or the nearest above it. Raises BadInput, Damaged, StorageError with nothing placed.
    """
    try:
        if is_there(archive) and not is_regular(archive):
            raise BadInput(f"{archive}: is no file; name an archive")
        with archive.open("rb") as file, _plain(file, archive, beside, identity, passphrase) as source:
            reader = _Reader(source)
            manifest = reader.manifest()
            if manifest.only is not None:
                raise BadInput(
                    f"{archive}: holds only {', '.join(manifest.only)}, not a whole orchestration; "
                    "look into it with tar --zstd -xf"
                )
            root = where(manifest)
            if is_there(root):
                raise BadInput(f"{root}: is there already; name another place with -o")
            with scratch_beside(root, manifest.size_bytes) as scratch:
                tree = Tree(scratch / "tree")
                _unpack(reader, manifest, tree.root)
                finish(tree)
                notes = checked(tree, "archive", may_be_damaged=may_be_damaged)
                if not is_dry:
                    os.sync()
                    place(tree.root, root)
                return Imported(manifest=manifest, root=root, notes=notes)
    except FileNotFoundError as cause:
        raise BadInput(f"{archive}: {cause.strerror}; name an archive that is there") from cause
    except Damaged as cause:
        raise Damaged(f"{archive}: {cause}") from cause
    except (zstandard.ZstdError, pyrage.DecryptError) as cause:
        raise Damaged(f"{archive}: cannot be read ({cause}); {_ALTERED}") from cause
    except OSError as cause:
        raise storage_error("import", archive, cause) from cause


class _Reader:
    """Reads members one after the other, each of which is known in advance."""

    def __init__(self, source: _Readable) -> None:
        self._source = source

    def manifest(self) -> ArchiveManifest:
        size = self._header(MANIFEST)
        if size > LARGEST_MANIFEST_BYTES:
            raise Damaged(f"the manifest claims {size} bytes; {_ALTERED}")
        data = self._exactly(size)
        self._skip_padding(size)
        return manifest_of(data)

    def member(self, each: ArchivedFile) -> Iterator[bytes]:
        """The bytes of the next member, which is `each`. Raises Damaged unless it is, hash and all."""
        size = self._header(each.path)
        if size != each.size:
            raise Damaged(f"{each.path}: has {size} bytes, not the {each.size} of the manifest; {_ALTERED}")
        digest, left = sha256(), size
        while left:
            data = self._exactly(min(left, _CHUNK_BYTES))
            digest.update(data)
            left -= len(data)
            yield data
        self._skip_padding(size)
        if digest.hexdigest() != each.sha256:
            raise Damaged(f"{each.path}: does not have the SHA-256 of the manifest; {_ALTERED}")

    def end(self) -> None:
        """Raise Damaged if anything follows but the end of a tar."""
        rest = self._source.read(_MOST_PADDING_BYTES + 1)
        while rest and len(rest) <= _MOST_PADDING_BYTES and (more := self._source.read(_MOST_PADDING_BYTES)):
            rest += more
        if len(rest) > _MOST_PADDING_BYTES or rest.strip(b"\0"):
            raise Damaged(f"something follows the last file of the manifest; {_ALTERED}")
        if len(rest) < 2 * BLOCK_BYTES:
            raise Damaged("the archive ends too early: it was cut off; get it again")

    def _header(self, path: str) -> int:
        """Read the header of the member `path`; its size."""
        name = None
        block = self._exactly(BLOCK_BYTES)
        if block[156:157] == _EXTENSION:
            size = _parsed(block).size
            if size > _LARGEST_EXTENSION_BYTES:
                raise Damaged(f"a header claims {size} bytes; {_ALTERED}")
            name = _name_in(self._exactly(size))
            self._skip_padding(size)
            block = self._exactly(BLOCK_BYTES)
        info = _parsed(block)
        if not info.isreg() or (name or info.name) != path:
            raise Damaged(f"{(name or info.name)[:80]!r} stands where {path!r} was expected; {_ALTERED}")
        return info.size

    def _skip_padding(self, size: int) -> None:
        self._exactly(-size % BLOCK_BYTES)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._source.read(size - len(data))
            if not part:
                raise Damaged("the archive ends too early: it was cut off; get it again")
            data = data + part if data else part
        return data


def _parsed(block: bytes) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as cause:
        raise Damaged(f"a header is not in form; {_ALTERED}") from cause


def _name_in(extension: bytes) -> str | None:
    """The path that an extended header tells, if it tells one."""
    while extension:
        length, _, _ = extension.partition(b" ")
        if not length.isdigit() or not 0 < int(length) <= len(extension):
            raise Damaged(f"a header is not in form; {_ALTERED}")
        key, _, value = extension[len(length) + 1 : int(length) - 1].partition(b"=")
        if key == b"path":
            return value.decode("utf-8", "replace")
        extension = extension[int(length) :]
    return None


@contextmanager
def _plain(
    file: IO[bytes],
    archive: Path,
    beside: Path,
    identity: Path | None,
    passphrase: Callable[[], str] | None,
) -> Iterator[_Readable]:
    """Yield what the archive holds, decrypted and decompressed."""
    begin = file.read(len(_AGE))
    file.seek(0)
    decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES)
    if begin.startswith(_ZSTD):
        with decompressor.stream_reader(file, closefd=False) as source:
            yield source
    elif begin == _AGE:
        there = next(folder for folder in (beside, *beside.absolute().parents) if is_dir(folder))
        with tempfile.TemporaryFile(
            dir=there
        ) as decrypted:  # an archive may lie where nothing may be written
            _decrypt(file, decrypted, archive, identity, passphrase)
            decrypted.seek(0)
            with decompressor.stream_reader(decrypted, closefd=False) as source:
                yield source
    else:
        raise BadInput(f"{archive}: is no archive of maos-sup (made by maos-sup export)")


def _decrypt(
    file: IO[bytes],
    decrypted: IO[bytes],
    archive: Path,
    identity: Path | None,
    passphrase: Callable[[], str] | None,
) -> None:
    begin = file.read(len(_SCRYPT))
    file.seek(0)
    if begin == _SCRYPT:
        from maos_sup.moving.passphrase import decrypt

        if passphrase is None:
            raise BadInput(f"{archive}: is opened by a passphrase: --passphrase-file FILE")
        try:
            decrypt(file, decrypted, passphrase())
        except BadInput as cause:
            raise BadInput(f"{archive}: {cause}") from cause
        return
    if identity is None:
        raise BadInput(f"{archive}: is encrypted; name the file with your key: --identity FILE")
    pyrage.decrypt_io(file, decrypted, identities_in(identity))


def _unpack(reader: _Reader, manifest: ArchiveManifest, root: Path) -> None:
    for path in ("", "run", *manifest.folders):
        (root / path).mkdir(mode=atomic.FOLDER_MODE, parents=True, exist_ok=True)
    for each in manifest.files:
        target = root / each.path
        target.parent.mkdir(mode=atomic.FOLDER_MODE, parents=True, exist_ok=True)
        with atomic.opened(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
            for data in reader.member(each):
                atomic.write_all(descriptor, data)
            os.fchmod(descriptor, 0o700 if each.is_executable else atomic.FILE_MODE)
            os.utime(descriptor, ns=(each.mtime_ns, each.mtime_ns))
    reader.end()
    for path, link in manifest.links:  # last: no file is written through one
        (root / path).parent.mkdir(mode=atomic.FOLDER_MODE, parents=True, exist_ok=True)
        (root / path).symlink_to(link)
