"""Says what a folder holds, entry by entry: path, kind, mode, time, size, content. Ours:
git's trees are lossy.

Nested repositories, empty folders, links, modes and times come back as they were. A folder's listing is kept
like a file, under the name of its content, so what did not change is there already. Nothing is followed: each
folder is opened beneath the one above it and no link on the way, for programs may still write there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from state_layout.errors import Damaged

FILE, LINK, FOLDER, LEFT_OUT = "f", "l", "d", "x"
_BASE, _GONE = "b", "-"  # in a listing: which one it is a change of, and a name that has gone
_MOST_CHANGES = 16  # one after the other, until a listing is kept whole again
NOT_ENTERED = frozenset(
    {"node_modules", ".venv", "venv", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox"}
)
OF_OURS = frozenset({".tmp", ".git"})  # at the top: ours, and the pointer of a worktree, which is git's
MOST_FILE_BYTES = 10 << 20
_NEVER = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_FRESH_NS = 20_000_000  # a file that was written so lately may change again within its stamp


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """An entry is one of a manifest. `mode`: permissions. `object`: name of its content, of a folder that
    of its listing."""

    kind: str
    mode: int
    mtime_ns: int
    size: int
    object: str = ""

    def is_same(self, other: ManifestEntry | None) -> bool:
        """The two hold the same by themselves: times aside, and what lies in a folder."""
        return (
            other is not None
            and (self.kind, self.mode) == (other.kind, other.mode)
            and (self.kind == FOLDER or self.object == other.object)
        )


Listing = dict[str, ManifestEntry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest has the entries by path, relative; the paths that were left out; the name of the listing
    at the top.

    `listings`: of each folder its listing, the name of that, and how many changes it is made of. `bases`: the
    names of listings that others are changes of.
    """

    top: str
    entries: Mapping[str, ManifestEntry]
    excluded: tuple[str, ...] = ()
    listings: Mapping[str, tuple[Listing, str, int]] = field(default_factory=dict)
    bases: frozenset[str] = frozenset()

    @classmethod
    def read(cls, top: str, get: Callable[[str], bytes]) -> Manifest:
        """The manifest whose listing `get` gives under the name `top`. Raises Damaged."""
        entries, excluded, folders = dict[str, ManifestEntry](), list[str](), [("", top)]
        listings, bases = dict[str, tuple[Listing, str, int]](), set[str]()
        while folders:
            above, name = folders.pop()
            listing, depth = _resolved(name, get, bases)
            listings[above] = (listing, name, depth)
            for part, entry in listing.items():
                path = f"{above}/{part}" if above else part
                if entry.kind == LEFT_OUT:
                    excluded.append(path)
                    continue
                entries[path] = entry
                if entry.kind == FOLDER:
                    folders.append((path, entry.object))
        return cls(
            top=top,
            entries=entries,
            excluded=tuple(sorted(excluded)),
            listings=listings,
            bases=frozenset(bases),
        )


def _resolved(name: str, get: Callable[[str], bytes], bases: set[str]) -> tuple[Listing, int]:
    """The listing of this name, and of how many changes it is made."""
    parts = list[list[tuple[str, ManifestEntry]]]()
    while True:
        lines = [*_listed(get(name))]
        base = next((entry.object for _, entry in lines if entry.kind == _BASE), None)
        parts.append([line for line in lines if line[1].kind != _BASE])
        if base is None or len(parts) > _MOST_CHANGES:
            break
        bases.add(base)
        name = base
    whole: Listing = {}
    for part in reversed(parts):
        for key, entry in part:
            if entry.kind == _GONE:
                whole.pop(key, None)
            else:
                whole[key] = entry
    return whole, len(parts) - 1


def _encoded(listing: Listing, known: tuple[Listing, str, int] | None) -> tuple[bytes, int]:
    """The bytes of a listing, as a change of the `known` one if that is shorter; of how many it is made."""
    if known is not None and known[2] < _MOST_CHANGES:
        old = known[0]
        changes = {name: entry for name, entry in listing.items() if old.get(name) != entry}
        gone = {name: ManifestEntry(_GONE, 0, 0, 0) for name in old if name not in listing}
        if 2 * (len(changes) + len(gone)) < len(listing):
            base = {"base": ManifestEntry(_BASE, 0, 0, 0, known[1])}
            return _lines(base) + _lines(changes) + _lines(gone), known[2] + 1
    return _lines(listing), 0


def _lines(listing: Listing) -> bytes:
    lines = [
        f"{entry.kind} {entry.mode:o} {entry.mtime_ns} {entry.size} {entry.object or '-'} {name}"
        for name, entry in listing.items()
    ]
    return b"".join(os.fsencode(line) + b"\0" for line in lines)


def _listed(data: bytes) -> Iterator[tuple[str, ManifestEntry]]:
    try:
        for line in data.split(b"\0")[:-1]:
            kind, mode, mtime, size, object_, name = os.fsdecode(line).split(" ", 5)
            if name in ("", ".", "..") or "/" in name:
                raise ValueError(f"{name!r} is no name")
            yield (
                name,
                ManifestEntry(kind, int(mode, 8), int(mtime), int(size), "" if object_ == "-" else object_),
            )
    except ValueError as cause:
        raise Damaged(f"a listing of a workspace cannot be read: {cause}") from cause


class Scan:
    """Looks at a folder again and again; only what its stamps say has changed is read.

    `put` keeps a content and gives its name.
    """

    def __init__(self, root: Path, put: Callable[[bytes], str]) -> None:
        self._root, self._put = root, put
        self._files: dict[str, tuple[tuple[int, ...], ManifestEntry]] = {}  # by path: stamp, entry
        self._folders: dict[str, tuple[Listing, str, int]] = {}  # by path: listing, its name, of what
        self._next = self._files
        self._entries: dict[str, ManifestEntry] = {}
        self._excluded: list[str] = []
        self._now_ns = 0

    def know(self, manifest: Manifest) -> None:
        """Keep listings as changes of those of `manifest` from now on."""
        self._folders |= manifest.listings

    def forget(self) -> None:
        """Read everything again at the next look: what was kept may be gone."""
        self._files, self._folders = {}, {}

    def look(self, *, now_ns: int) -> Manifest:
        """List what is there now. Raises OSError where the folder cannot be read."""
        self._entries, self._excluded, self._next, self._now_ns = {}, [], {}, now_ns
        descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | _NEVER)
        top = self._walk(descriptor, "")
        self._files = self._next
        return Manifest(top=top, entries=self._entries, excluded=tuple(sorted(self._excluded)))

    def _walk(self, folder: int, rel: str) -> str:
        """The name of the listing of the open `folder`, which is closed."""
        listing: Listing = {}
        try:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries)
            for name in names:
                if rel == "" and name in OF_OURS:
                    continue
                entry = self._entry(folder, name, f"{rel}/{name}" if rel else name)
                if entry is not None:
                    listing[name] = entry
        finally:
            os.close(folder)
        known = self._folders.get(rel)
        if known is None or known[0] != listing:
            data, depth = _encoded(listing, known)
            known = self._folders[rel] = (listing, self._put(data), depth)
        return known[1]

    def _entry(self, folder: int, name: str, path: str) -> ManifestEntry | None:
        """Look at what is there under `name`; None where it has gone or cannot be read."""
        with suppress(OSError):
            at = os.lstat(name, dir_fd=folder)
            if _is_left_out(name, at):
                self._excluded.append(path)
                return ManifestEntry(LEFT_OUT, 0, 0, 0)
            if stat.S_ISDIR(at.st_mode):
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | _NEVER, dir_fd=folder)
                listed = self._walk(inner, path)
                entry = ManifestEntry(FOLDER, stat.S_IMODE(at.st_mode), at.st_mtime_ns, 0, listed)
            else:
                entry = self._file(folder, name, path, at)
            self._entries[path] = entry
            return entry
        return None

    def _file(self, folder: int, name: str, path: str, at: os.stat_result) -> ManifestEntry:
        stamp = (at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns, at.st_mode)
        known = self._files.get(path)
        if known is not None and known[0] == stamp:
            self._next[path] = known
            return known[1]
        kind = LINK if stat.S_ISLNK(at.st_mode) else FILE
        data = _content(folder, name, kind)
        entry = ManifestEntry(kind, stat.S_IMODE(at.st_mode), at.st_mtime_ns, len(data), self._put(data))
        if self._now_ns - max(at.st_mtime_ns, at.st_ctime_ns) > _FRESH_NS:
            self._next[path] = (stamp, entry)
        return entry


def _is_left_out(name: str, at: os.stat_result) -> bool:
    if stat.S_ISDIR(at.st_mode):
        return name in NOT_ENTERED
    return not (stat.S_ISREG(at.st_mode) or stat.S_ISLNK(at.st_mode)) or at.st_size > MOST_FILE_BYTES


def _content(folder: int, name: str, kind: str) -> bytes:
    if kind == LINK:
        return os.fsencode(os.readlink(name, dir_fd=folder))
    descriptor = os.open(name, os.O_RDONLY | _NEVER, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MOST_FILE_BYTES + 1)


def differences(
    old: Manifest, new: Manifest
) -> Iterator[tuple[str, ManifestEntry | None, ManifestEntry | None]]:
    """Path, entry before and after, of all that is not the same, times aside."""
    for path in sorted({*old.entries, *new.entries}):
        before, after = old.entries.get(path), new.entries.get(path)
        if before is None or after is None or not before.is_same(after):
            yield path, before, after
