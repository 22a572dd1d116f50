"""Every version that a key of a shared scope ever had, in order, with who wrote it and why. Only reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from state_layout.files.chain import Line
from state_layout.files.journal import Reader
from state_layout.scopes.lines import DELETE, ScopeEntry
from state_layout.scopes.store import SUFFIX

if TYPE_CHECKING:
    from state_layout.records.shared_lines import ScopeLine

_REASONS = ("task", "run", "step", "attempt", "by", "file")


class ShownVersion(TypedDict, total=False):
    """Commands and tools give a version so. A deletion has `deleted` in place of a value."""

    key: str
    deleted: bool
    value: Any
    version: list[Any]  # writer, seq, h
    over: list[Any] | None  # the version that it took the place of
    n: int
    v: int  # version of the schema
    fault: str  # why the value is as it was written, and of no newer version
    at: str
    by: str
    why: dict[str, object]


def lines_of(
    folder: Path, *, only: Path | None = None, writer: str = ""
) -> Iterator[tuple[str, Line, ScopeLine]]:
    """Yield every line of every writer of the scope in `folder`, file by file; of `only`, those of
    `writer`.

    Raises StorageError.
    """
    if only is not None:
        yield from ((writer, line, line.fields()) for line in Reader(only))
        return
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if not path.name.startswith("."):
            for line in Reader(path):
                yield path.name.removesuffix(SUFFIX), line, line.fields()


def versions_of(folder: Path, key: str | None = None) -> list[ShownVersion]:
    """List all versions of `key`, or of every key, the oldest first, as `shown_entry` has them.

    Raises StorageError.
    """
    found = [
        shown_entry(ScopeEntry(int(fields["n"]), writer, line), fields)
        for writer, line, fields in lines_of(folder)
        if key is None or fields.get("key") == key
    ]
    return sorted(found, key=lambda version: (version["n"], version["version"][0]))


def shown_entry(entry: ScopeEntry, fields: ScopeLine | None = None) -> ShownVersion:
    """Show a version as commands and tools give it: key, value, version, who wrote it when, what it
    replaced."""
    told = fields if fields is not None else entry.fields()
    shown: ShownVersion = {"key": told["key"]}
    if told["type"] == DELETE:
        shown["deleted"] = True
    else:
        shown["value"] = told.get("value")
    shown["version"], shown["over"], shown["n"] = list(entry.version), told.get("over"), entry.n
    if "v" in told:
        shown["v"] = told["v"]
    shown["at"], shown["by"] = told["at"], entry.writer
    reasons: Mapping[str, object] = told
    shown["why"] = {name: reasons[name] for name in _REASONS if name in reasons}
    return shown
