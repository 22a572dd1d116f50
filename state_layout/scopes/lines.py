"""One line of a writer's file in a shared scope, and the fold of the lines of all writers. Pure.

Every line has `n`, one more than any line of the scope had when it was written, under the lock; so the lines
of all writers are in one order. The value of a key is that of its line with the highest `n`, and `over` names
the version that this one took the place of: a chain per key, in which a lost change would show as a gap.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.files.chain import Line
from state_layout.scopes.names import CUSTOM

if TYPE_CHECKING:
    from state_layout.records.shared_lines import ScopeLine

PUT, DELETE = "put", "delete"
_LAST_CHARACTER = chr(0x10FFFF)


class Version(NamedTuple):
    """A version says which line gave a key its value: that of `writer` with this `seq` and hash."""

    writer: str
    seq: int
    h: str

    def __str__(self) -> str:
        return f"{self.writer}/{self.seq}/{self.h}"


def version_of(value: Any) -> Version | None:
    """Read a version as JSON has it (a list), or as people type it (`bob/7/9c1be07f21aa`, `none`).

    Raises BadInput.
    """
    if value is None or value == "none":
        return None
    parts = value.rsplit("/", 2) if isinstance(value, str) else value
    try:
        writer, seq, h = parts
        return Version(str(writer), int(seq), str(h))
    except (TypeError, ValueError) as cause:
        raise BadInput(f"version {str(value)[:80]!r}: use one as 'state get' shows it, or none") from cause


class ScopeEntry(NamedTuple):
    """An entry is one line: a version of a key."""

    n: int
    writer: str
    line: Line

    @property
    def version(self) -> Version:
        return Version(self.writer, self.line.end.seq, self.line.end.h)

    @property
    def is_deleted(self) -> bool:
        """The key has no value from here on."""
        return b'"type":"delete"' in self.line.raw and self.fields()["type"] == DELETE

    @property
    def value(self) -> Any:
        """The value is the caller's own copy; None if there is none."""
        return self.line.fields().get("value")

    def fields(self) -> ScopeLine:
        """Decode the whole line."""
        fields: ScopeLine = self.line.fields()
        return fields


class Fold:
    """A fold is all that is kept in a scope, by the lines of all its writers in any order between them."""

    def __init__(self) -> None:
        self._entries: dict[str, ScopeEntry] = {}  # by key; deleted ones as well
        self._deleted = set[str]()  # the keys whose last line deleted them
        self._by_hand: dict[str, tuple[int, str]] = {}  # by key: n, SHA-256 of the file
        self._sorted: list[str] | None = None
        self.last_n = 0

    def take(self, writer: str, line: Line, fields: Mapping[str, Any]) -> ScopeEntry:
        """Fold one line. Raises KeyError, ValueError or TypeError for one that is not in form."""
        entry, key = ScopeEntry(int(fields["n"]), writer, line), str(fields["key"])
        if fields["type"] not in (PUT, DELETE):
            raise ValueError(f"type {fields['type']!r} is not of shared state")
        before = self._entries.get(key)
        if before is None or (before.n, before.writer) < (entry.n, writer):
            self._entries[key] = entry
            (self._deleted.add if fields["type"] == DELETE else self._deleted.discard)(key)
            if before is None and self._sorted is not None:
                insort(self._sorted, key)
        self.last_n = max(self.last_n, entry.n)
        if "sha256" in fields and entry.n > self._by_hand.get(key, (0, ""))[0]:
            self._by_hand[key] = entry.n, str(fields["sha256"])
        return entry

    def last_by_hand(self, key: str) -> str | None:
        """Find the SHA-256 of the file by which `key` was last put by hand; None if it was not."""
        return self._by_hand.get(key, (0, None))[1]

    def get(self, key: str) -> ScopeEntry | None:
        """Find the version in force, None if there is no value."""
        return None if key in self._deleted else self._entries.get(key)

    def last(self, key: str) -> ScopeEntry | None:
        """Find the last line of `key`, also one that deleted it."""
        return self._entries.get(key)

    def sorted_keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys that have a value and begin with `prefix`, sorted."""
        if self._sorted is None:
            self._sorted = sorted(self._entries)
        begin = bisect_left(self._sorted, prefix)
        bound = _bound(prefix)
        end = bisect_left(self._sorted, bound) if bound else len(self._sorted)
        found, deleted = self._sorted[begin:end], self._deleted
        return iter([key for key in found if key not in deleted] if deleted else found)


def _bound(prefix: str) -> str:
    """Make the first text above all that begin with `prefix`; nothing where there is none."""
    cut = prefix.rstrip(_LAST_CHARACTER)
    return cut[:-1] + chr(ord(cut[-1]) + 1) if cut else ""


def described(entry: ScopeEntry) -> str:
    """Say for people who wrote a version: `bob (task plan, run 1, step t3)`."""
    fields: Mapping[str, object] = entry.fields()
    parts = [f"{word} {fields[word]}" for word in ("task", "run", "step", "by", "file") if word in fields]
    return f"{entry.writer} ({', '.join(parts)})" if parts else entry.writer


def shown_value(value: Any, *, most: int = 120) -> str:
    """Show a value on one line, shortened to `most` characters."""
    text = codec.encode(value).decode()
    return text if len(text) <= most else f"{text[:most]}..."


def changed_meanwhile(folder: Path, key: str, now: ScopeEntry | None, last: ScopeEntry | None) -> str:
    """Say why a change of `key` in the scope in `folder` came too late: who won with `now`, or deleted it."""
    said = "it has no value now"
    if now is not None:
        said = f"{described(now)} won with version {now.version}; it is now {shown_value(now.value)}"
    elif last is not None:
        said = f"{described(last)} deleted it"
    sort, name = folder.parent.name, folder.name
    scope = f"{CUSTOM}:{name}" if sort == CUSTOM else name
    return f"{scope} {key!r}: was changed meanwhile: {said}; look again, then try again"
