"""The form of an archive: a tar in zstd whose first member, the manifest, tells all that follows, in order.

What is not in the manifest is not in the archive: a reader goes by the manifest alone, takes each member only
as it says (place, size, SHA-256), and nothing after the last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from state_layout.catalogue import Form, row_of
from state_layout.errors import BadInput, Damaged
from state_layout.files import codec

VERSION = 1
MANIFEST = "manifest.json"
SUFFIX = ".maos.tar.zst"
BLOCK_BYTES = 512
LARGEST_MANIFEST_BYTES = 1 << 26
WINDOW_BYTES = 1 << 23  # more memory is never asked of who unpacks
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
_LONGEST_PATH = 4096
_HOST_BOUND = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile:
    """The file is one in an archive. `path` is relative to the tree."""

    path: str
    size: int
    sha256: str
    is_executable: bool
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveManifest:
    """Tells what an archive holds. `only`: the top folders, where it is not a whole tree."""

    id: str
    request: str
    project_name: str | None
    only: tuple[str, ...] | None
    checkpoint: str | None
    folders: tuple[str, ...]
    links: tuple[tuple[str, str], ...]  # path, target
    files: tuple[ArchivedFile, ...]
    left_out: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """The size is that of all files together."""
        return sum(each.size for each in self.files)

    def encoded(self) -> bytes:
        """As it stands in the archive."""
        return codec.encode(
            {
                "archive": VERSION,
                "id": self.id,
                "request": self.request,
                "project_name": self.project_name,
                "only": list(self.only) if self.only else None,
                "checkpoint": self.checkpoint,
                "left_out": list(self.left_out),
                "folders": list(self.folders),
                "links": [list(link) for link in self.links],
                "files": [
                    [each.path, each.size, each.sha256, each.is_executable, each.mtime_ns]
                    for each in self.files
                ],
            }
        )


def manifest_of(data: bytes) -> ArchiveManifest:
    """The manifest that `data` is. Raises Damaged for what nobody of ours writes, BadInput if it is newer."""
    try:
        told = codec.decode_object(data)
        if told["archive"] > VERSION:
            raise BadInput(f"the archive is of version {told['archive']}; import it with a newer maos-sup")
        found = _manifest(told)
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        raise Damaged("the archive's manifest is not in form; it was altered, or is no archive") from cause
    refuse_escapes((each.path for each in found.files), found.links, found.folders)
    for path, target in found.links:
        if not leads_inside(path, target):
            raise Damaged(f"the archive holds the link {path[:80]!r}, which leads out of its folder")
    return found


def _manifest(told: Mapping[str, Any]) -> ArchiveManifest:
    if _ID.fullmatch(told["id"]) is None:
        raise ValueError("id")
    return ArchiveManifest(
        id=told["id"],
        request=str(told["request"]),
        project_name=None if told["project_name"] is None else str(told["project_name"]),
        only=None if told["only"] is None else tuple(map(str, told["only"])),
        checkpoint=None if told["checkpoint"] is None else str(told["checkpoint"]),
        folders=tuple(map(_text, told["folders"])),
        links=tuple((_text(path), _text(target)) for path, target in told["links"]),
        files=tuple(
            ArchivedFile(
                path=_text(path),
                size=_size(size),
                sha256=_text(digest),
                is_executable=bool(executable),
                mtime_ns=int(mtime_ns),
            )
            for path, size, digest, executable, mtime_ns in told["files"]
        ),
        left_out=tuple(map(str, told["left_out"])),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("text")
    return value


def _size(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("size")
    return value


def refuse_escapes(
    files: Iterable[str], links: Iterable[tuple[str, str]], folders: Iterable[str], *, what: str = "archive"
) -> None:
    """Raise Damaged for names that lead out of the tree, stand twice, or lie below a file or a link."""
    seen = set[str]()
    leaves, safe = [*files, *(path for path, _ in links)], set[str]()
    for path in leaves:
        if not is_safe(path) or path in seen:
            name = path[:80]
            raise Damaged(f"the {what} holds {name!r}, which leads out of the tree or stands there twice")
        seen.add(path)
    for path in [*leaves, *folders]:
        if not is_safe(path) or _lies_below(path, seen, safe):
            raise Damaged(f"the {what} holds {path[:80]!r}, which leads out of the tree or below a file")


def _lies_below(path: str, leaves: Set[str], safe: set[str]) -> bool:
    """A folder above `path` is one of `leaves`; `safe` remembers folders that are none."""
    while slash := path.rfind("/") + 1:
        path = path[: slash - 1]
        if path in safe:
            return False
        if path in leaves:
            return True
        safe.add(path)
    return False


def is_lock(path: str) -> bool:
    """The file at `path` is a lock, which nobody needs elsewhere."""
    if not path.endswith("lock"):
        return False
    row = row_of(path)
    return row is not None and row.form is Form.LOCK


def is_safe(path: str) -> bool:
    """The `path` names something inside of a tree that a copy of it may have."""
    parts = path.split("/")
    is_plain = all(part not in ("", ".", "..") and "\0" not in part for part in parts)
    return is_plain and len(path) <= _LONGEST_PATH and parts[0] != _HOST_BOUND


def leads_inside(path: str, target: str) -> bool:
    """A link at `path` stays in the folder of programs that it lies in, as far as names tell."""
    base = path.split("/")[:3]  # agents/<agent>/workspace
    if (
        len(path.split("/")) < 4
        or base[0] != "agents"
        or target.startswith("/")
        or "\0" in target
        or not target
    ):
        return False
    where = path.split("/")[:-1]
    for part in target.split("/"):
        if part == "..":
            where = where[:-1]
        elif part not in ("", "."):
            where = [*where, part]
        if where[:3] != base:
            return False
    return True
