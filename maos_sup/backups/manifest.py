"""The form of a backup: what a tree held, file by file, and in which pieces of which segments it lies.

A segment is one frame of zstd over a salt and pieces of files, one after the other, named by the SHA-256 of
what is stored (encrypted, if anything is). A manifest is two frames, a head to list and a body to restore,
behind the length of the first. A backup is there when its manifest is. Pieces are held against their hashes,
wherever they come from.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import zstandard
from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

from state_layout.errors import BadInput, Damaged, LayoutError
from state_layout.files import codec

VERSION = 1
LARGEST_MANIFEST_BYTES = 1 << 28
LARGEST_SEGMENT_BYTES = 1 << 24  # before compression; who restores holds one in memory
PIECE_BYTES = 1 << 22
DAY = "%Y%m%d-%H%M%S-%f"  # how a backup is named, and four signs more
_AT = "%Y-%m-%dT%H:%M:%SZ"
_LEVEL = 1  # digests do not get smaller
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LONGEST_LINK = 4096
_LENGTH_BYTES = 4  # of the packed head, before it
_FREE_DEPTH = 3  # agents/<agent>/workspace: links below are of programs
_Told = TypeVar("_Told")
_Count = Annotated[int, Meta(ge=0, lt=1 << 62)]
_TimeNs = Annotated[int, Meta(gt=-(1 << 62), lt=1 << 62)]
Name = str | list[str]  # a name that is no UTF-8 is its bytes in hexadecimal, in a list


class SegmentRef(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A segment has the SHA-256 of what is stored, how much that is, and how much it was."""

    sha256: str
    stored_bytes: _Count
    raw_bytes: _Count

    @property
    def name(self) -> str:
        """The segment has this name in a repository."""
        return f"segments/{self.sha256[:2]}/{self.sha256}"


class StoredPiece(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The piece is bytes of a file: from `offset` on in the segment number `segment` of its manifest."""

    segment: _Count
    offset: _Count
    length: _Count
    sha256: str


class StoredFile(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The file is one in a backup. Size, times and inode tell whether it is still the same."""

    name: Name
    mode: _Count
    mtime_ns: _TimeNs
    ctime_ns: _TimeNs
    inode: _Count
    size: _Count
    pieces: tuple[StoredPiece, ...]

    @property
    def path(self) -> str:
        """Give the file's path in the tree."""
        return path_of(self.name)


class _Body(Struct, frozen=True, kw_only=True):
    segments: tuple[SegmentRef, ...]
    folders: tuple[Name, ...]
    links: tuple[tuple[Name, Name], ...]
    left_out: tuple[str, ...]
    files: tuple[StoredFile, ...]


class StoredHead(Struct, frozen=True, kw_only=True):
    """The head of a backup as it is stored; times are UTC."""

    backup: int  # the version of the form
    tree: str = ""
    request: str = ""
    at: str = ""
    files: _Count = 0
    size_bytes: _Count = 0
    added_bytes: _Count = 0  # brought by this backup, before compression
    stored_bytes: _Count = 0  # of its new segments
    claim: str = ""  # of who syncs, and where
    host: str = ""


class BackupHead(StoredHead, frozen=True, kw_only=True):
    """Holds what a list shows of a backup. `name` is its object's."""

    name: str
    backup: int = VERSION

    @property
    def id(self) -> str:
        """Give the name that people use for the backup."""
        return self.name.rpartition("/")[2]


class BackupManifest(Struct, frozen=True, kw_only=True):
    """A manifest tells all of a backup. `left_out` has a reason each."""

    head: BackupHead
    segments: tuple[SegmentRef, ...]
    files: tuple[StoredFile, ...]
    folders: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]

    def encoded(self) -> bytes:
        """As it is stored, before encryption."""
        head = self.head
        first = StoredHead(**{key: getattr(head, key) for key in StoredHead.__struct_fields__})
        rest = _Body(
            segments=self.segments,
            folders=tuple(map(name_of, self.folders)),
            links=tuple((name_of(path), name_of(target)) for path, target in self.links),
            left_out=self.left_out,
            files=self.files,
        )
        body = codec.encode_struct(rest)
        if len(body) > LARGEST_MANIFEST_BYTES:  # nobody would restore it
            raise BadInput(f"{head.tree}: {len(self.files)} files are too many for a backup; remove some")
        compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        packed = compressor.compress(codec.encode_struct(first))
        length = len(packed).to_bytes(_LENGTH_BYTES, "big")
        return length + packed + compressor.compress(body)

    def refuse_escapes(self) -> None:
        """Raise Damaged for names that lead out of the tree, and for links where there may be none."""
        from maos_sup.moving.archive import refuse_escapes

        where = self.head.name
        try:
            refuse_escapes((each.path for each in self.files), self.links, self.folders, what="backup")
        except Damaged as cause:
            raise Damaged(f"{where}: {cause}") from cause
        for path, target in self.links:
            if not is_link_kept(path, target):
                raise Damaged(f"{where}: the backup holds the link {path[:80]!r} where there may be none")


def head_of(data: bytes, name: str) -> BackupHead:
    """Read the head of the manifest `data`, stored as `name`. Raises Damaged, BadInput if it is newer."""
    return _in_form(name, lambda: _head(data, name))


def manifest_of(data: bytes, name: str) -> BackupManifest:
    """Read the manifest `data`, stored as `name`: in form, but its names are not to be trusted yet.

    Raises as `head_of`.
    """
    return _in_form(name, lambda: _body(data, _head(data, name)))


def is_link_kept(path: str, target: str) -> bool:
    """A link at `path` is a program's own affair, and so kept: it lies in a folder of an agent's."""
    parts = path.split("/")
    is_free = len(parts) > _FREE_DEPTH and parts[0] == "agents"
    return is_free and 0 < len(target) <= _LONGEST_LINK and "\0" not in target


def unpacked(frame: bytes, most: int) -> bytes:
    """Unpack a frame of zstd. Raises ZstdError, also for one that claims more than `most` bytes."""
    claimed = zstandard.get_frame_parameters(frame).content_size
    if claimed > most:  # also where it does not say
        raise zstandard.ZstdError(f"it claims {claimed} bytes")
    plain: bytes = zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    return plain


def time_in(name: str) -> datetime:
    """Read from a backup's name when it was made. Raises Damaged for a name that no backup has."""
    try:
        return datetime.strptime(name.rpartition("/")[2].rpartition("-")[0], DAY).replace(tzinfo=UTC)
    except ValueError as cause:
        raise Damaged(
            f"{name}: is no name of a backup: give it back the one it had, or let go of it (backups forget)"
        ) from cause


def without_unused(manifest: BackupManifest) -> BackupManifest:
    """Drop the segments of `manifest` that none of its files lies in."""
    used = sorted({piece.segment for each in manifest.files for piece in each.pieces})
    if len(used) == len(manifest.segments):
        return manifest
    number = {old: new for new, old in enumerate(used)}
    files = tuple(
        replace(
            each,
            pieces=tuple(
                StoredPiece(number[piece.segment], piece.offset, piece.length, piece.sha256)
                for piece in each.pieces
            ),
        )
        for each in manifest.files
    )
    return replace(manifest, segments=tuple(manifest.segments[old] for old in used), files=files)


def name_of(path: str) -> Name:
    """A path as a manifest has it."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return [path.encode("utf-8", "surrogateescape").hex()]
    return path


def path_of(name: Name) -> str:
    """The path that `name_of` made a name of. Raises ValueError, IndexError for what it never makes."""
    if isinstance(name, str):
        return name
    return bytes.fromhex(name[0]).decode("utf-8", "surrogateescape")


def _in_form(name: str, read: Callable[[], _Told]) -> _Told:
    try:
        return read()
    except LayoutError:
        raise
    except (ValueError, IndexError, zstandard.ZstdError) as cause:
        raise Damaged(
            f"{name}: is not in form: cut off, altered, or no manifest; the other backups are whole without "
            "it (backups forget takes it away)"
        ) from cause


def _head(data: bytes, name: str) -> BackupHead:
    length = int.from_bytes(data[:_LENGTH_BYTES], "big")
    frame = data[_LENGTH_BYTES : _LENGTH_BYTES + length]
    [told] = codec.TypedLines(StoredHead).decode([unpacked(frame, LARGEST_MANIFEST_BYTES)])
    if told.backup > VERSION:
        raise BadInput(f"{name}: is of version {told.backup}; use a newer maos-sup")
    datetime.strptime(told.at, _AT).replace(tzinfo=UTC)
    if not (told.tree + told.claim + told.host).isprintable():  # they are told in a line each
        raise ValueError("head")
    return BackupHead(name=name, **asdict(told))


def _body(data: bytes, head: BackupHead) -> BackupManifest:
    begin = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big")
    [told] = codec.TypedLines(_Body).decode([unpacked(data[begin:], LARGEST_MANIFEST_BYTES)])
    for segment in told.segments:
        if segment.raw_bytes > LARGEST_SEGMENT_BYTES or _DIGEST.fullmatch(segment.sha256) is None:
            raise ValueError("segment")
    ends = [each.raw_bytes for each in told.segments]
    for each in told.files:
        left = each.size
        for piece in each.pieces:
            left -= piece.length
            if piece.offset + piece.length > ends[piece.segment] or not piece.length:
                raise ValueError("piece")
        if left or each.mode > 0o777:
            raise ValueError("file")
        if not isinstance(each.name, str):
            path_of(each.name)
    return BackupManifest(
        head=head,
        segments=told.segments,
        files=told.files,
        folders=tuple(map(path_of, told.folders)),
        links=tuple((path_of(path), path_of(target)) for path, target in told.links),
        left_out=told.left_out,
    )
