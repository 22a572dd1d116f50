"""The form of a backup: what a tree held, file by file, and in which pieces of which segments it lies.

A segment is one frame of zstd over a salt and pieces of files, one after the other, named by the SHA-256 of
what is stored (encrypted, if anything is). A manifest is two frames, a head to list and a body to restore,
behind the length of the first. A backup is there when its manifest is. Pieces are held against their hashes,
wherever they come from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import zstandard

from maos_sup.moving.archive import refuse_escapes
from state_layout.errors import BadInput, Damaged, LayoutError
from state_layout.files import codec

VERSION = 1
LARGEST_MANIFEST_BYTES = 1 << 28
LARGEST_SEGMENT_BYTES = 1 << 24  # before compression; who restores holds one in memory
PIECE_BYTES = 1 << 22
_LEVEL = 3
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LONGEST_LINK = 4096
_LENGTH_BYTES = 4  # of the packed head, before it
_MOST_NS = 1 << 62
_Told = TypeVar("_Told")
_FREE_DEPTH = 3  # agents/<agent>/workspace: links below are of programs


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRef:
    """A segment: the SHA-256 of what is stored, how much that is, and how much it was."""

    sha256: str
    stored_bytes: int
    raw_bytes: int

    @property
    def name(self) -> str:
        """Its name in a repository."""
        return f"segments/{self.sha256[:2]}/{self.sha256}"


@dataclass(frozen=True, slots=True)
class StoredPiece:
    """Bytes of a file: from `offset` on in the segment number `segment` of its manifest."""

    segment: int
    offset: int
    length: int
    sha256: str


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in a backup. The stamp (time of change in ns, inode) tells whether it is still the same."""

    path: str
    mode: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    size: int
    pieces: tuple[StoredPiece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupHead:
    """What a list shows of a backup. `name` is its object's, not part of it; times are UTC."""

    name: str
    tree: str
    request: str
    at: str
    files: int
    size_bytes: int
    added_bytes: int  # brought by this backup, before compression
    stored_bytes: int  # of its new segments

    @property
    def id(self) -> str:
        """How people name it."""
        return self.name.rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupManifest:
    """All of a backup. `left_out` has a reason each."""

    head: BackupHead
    segments: tuple[SegmentRef, ...]
    files: tuple[StoredFile, ...]
    folders: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]

    def encoded(self) -> bytes:
        """As it is stored, before encryption."""
        head = self.head
        first = {
            "backup": VERSION,
            "tree": head.tree,
            "request": head.request,
            "at": head.at,
            "files": head.files,
            "size_bytes": head.size_bytes,
            "added_bytes": head.added_bytes,
            "stored_bytes": head.stored_bytes,
        }
        rest = {
            "segments": [[each.sha256, each.stored_bytes, each.raw_bytes] for each in self.segments],
            "folders": [_told_name(path) for path in self.folders],
            "links": [[_told_name(path), _told_name(target)] for path, target in self.links],
            "left_out": list(self.left_out),
            "files": [
                [
                    _told_name(each.path),
                    each.mode,
                    each.mtime_ns,
                    each.ctime_ns,
                    each.inode,
                    each.size,
                    [[piece.segment, piece.offset, piece.length, piece.sha256] for piece in each.pieces],
                ]
                for each in self.files
            ],
        }
        compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        packed = compressor.compress(codec.encode(first))
        length = len(packed).to_bytes(_LENGTH_BYTES, "big")
        return length + packed + compressor.compress(codec.encode(rest))


def head_of(data: bytes, name: str) -> BackupHead:
    """The head of the manifest `data`, stored as `name`. Raises Damaged, BadInput if it is newer."""
    return _in_form(name, lambda: _head(_frames(data, least=1)[0], name))


def manifest_of(data: bytes, name: str) -> BackupManifest:
    """The manifest `data`, stored as `name`. Raises Damaged for what nobody of ours writes, as `head_of`."""

    def read() -> BackupManifest:
        first, rest = _frames(data, least=2)
        return _body(rest, _head(first, name))

    found = _in_form(name, read)
    try:
        refuse_escapes((each.path for each in found.files), found.links, found.folders, what="backup")
    except Damaged as cause:
        raise Damaged(f"{name}: {cause}") from cause
    for path, target in found.links:
        if not is_link_kept(path, target):
            raise Damaged(f"{name}: the backup holds the link {path[:80]!r} where there may be none")
    return found


def is_link_kept(path: str, target: str) -> bool:
    """Whether a link at `path` is a program's own affair, and so kept: in a folder of an agent's."""
    parts = path.split("/")
    is_free = len(parts) > _FREE_DEPTH and parts[0] == "agents"
    return is_free and 0 < len(target) <= _LONGEST_LINK and "\0" not in target


def _in_form(name: str, read: Callable[[], _Told]) -> _Told:
    try:
        return read()
    except LayoutError:
        raise
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, zstandard.ZstdError) as cause:
        raise Damaged(
            f"{name}: is not in form: cut off, altered, or no manifest; the other backups are whole without "
            "it (backups forget takes it away)"
        ) from cause


def _frames(data: bytes, *, least: int) -> list[Mapping[str, Any]]:
    """The head in `data`, and the body if `least` is 2."""
    length = int.from_bytes(data[:_LENGTH_BYTES], "big")
    head, body = data[_LENGTH_BYTES : _LENGTH_BYTES + length], data[_LENGTH_BYTES + length :]
    return [codec.decode_object(unpacked(frame, LARGEST_MANIFEST_BYTES)) for frame in (head, body)[:least]]


def unpacked(frame: bytes, most: int) -> bytes:
    """What a frame of zstd holds. Raises ZstdError, also for one that claims more than `most` bytes."""
    claimed = zstandard.get_frame_parameters(frame).content_size
    if claimed > most:  # also where it does not say
        raise zstandard.ZstdError(f"it claims {claimed} bytes")
    plain: bytes = zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    return plain


def _head(told: Mapping[str, Any], name: str) -> BackupHead:
    if _whole(told["backup"]) > VERSION:
        raise BadInput(f"{name}: is of version {told['backup']}; use a newer maos-sup")
    return BackupHead(
        name=name,
        tree=_text(told["tree"]),
        request=_text(told["request"]),
        at=_text(told["at"]),
        files=_whole(told["files"]),
        size_bytes=_whole(told["size_bytes"]),
        added_bytes=_whole(told["added_bytes"]),
        stored_bytes=_whole(told["stored_bytes"]),
    )


def _body(told: Mapping[str, Any], head: BackupHead) -> BackupManifest:
    segments = tuple(_segment(*each) for each in told["segments"])
    raw = [each.raw_bytes for each in segments]
    return BackupManifest(
        head=head,
        segments=segments,
        files=tuple(_file(each, raw) for each in told["files"]),
        folders=tuple(map(_name, told["folders"])),
        links=tuple((_name(path), _name(target)) for path, target in told["links"]),
        left_out=tuple(map(_text, told["left_out"])),
    )


def _segment(digest: object, stored: object, raw: object) -> SegmentRef:
    found = SegmentRef(sha256=_digest(digest), stored_bytes=_whole(stored), raw_bytes=_whole(raw))
    if found.raw_bytes > LARGEST_SEGMENT_BYTES:
        raise ValueError("segment")
    return found


def _file(row: Sequence[Any], raw: Sequence[int]) -> StoredFile:
    path, mode, mtime_ns, ctime_ns, inode, size, told = row
    pieces = tuple(StoredPiece(*each) for each in told)
    total = 0
    for piece in pieces:
        if not (0 <= piece.segment < len(raw) and piece.offset >= 0 < piece.length):
            raise ValueError("piece")
        if piece.offset + piece.length > raw[piece.segment]:
            raise ValueError("piece")
        _digest(piece.sha256)
        total += piece.length
    if total != size:
        raise ValueError("size")
    return StoredFile(
        _name(path), _whole(mode) & 0o777, _time_ns(mtime_ns), int(ctime_ns), int(inode), total, pieces
    )


def without_unused(manifest: BackupManifest) -> BackupManifest:
    """`manifest` with only the segments that its files lie in."""
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


def _told_name(path: str) -> object:
    """A name as JSON has it; one that is no UTF-8 as its bytes in hexadecimal, in a list."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return [path.encode("utf-8", "surrogateescape").hex()]
    return path


def _name(told: object) -> str:
    if isinstance(told, list):
        return bytes.fromhex(_text(told[0])).decode("utf-8", "surrogateescape")
    return _text(told)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("text")
    return value


def _whole(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("number")
    return value


def _time_ns(value: object) -> int:
    if type(value) is not int or abs(value) > _MOST_NS:
        raise ValueError("time")
    return value


def _digest(value: object) -> str:
    if _DIGEST.fullmatch(_text(value)) is None:
        raise ValueError("digest")
    return str(value)
