"""Every version that a key of a shared scope ever had, in order, with who wrote it and why. Only reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from state_layout.files.chain import Line
from state_layout.files.journal import Reader
from state_layout.scopes.lines import DELETE, ScopeEntry
from state_layout.scopes.store import SUFFIX

_REASONS = ("task", "run", "step", "attempt", "by", "file", "token")


def lines_of(
    folder: Path, *, only: Path | None = None, writer: str = ""
) -> Iterator[tuple[str, Line, dict[str, Any]]]:
    """Every line of every writer of the scope in `folder`, file by file; `only` those of `writer` in a file.

    Raises StorageError.
    """
    if only is not None:
        yield from ((writer, line, line.fields()) for line in Reader(only))
        return
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if not path.name.startswith("."):
            for line in Reader(path):
                yield path.name.removesuffix(SUFFIX), line, line.fields()


def versions_of(folder: Path, key: str | None = None) -> list[dict[str, Any]]:
    """All versions of `key`, or of every key, the oldest first, as `shown_entry` has them."""
    found = [
        shown_entry(ScopeEntry(int(fields["n"]), writer, line), fields)
        for writer, line, fields in lines_of(folder)
        if key is None or fields.get("key") == key
    ]
    return sorted(found, key=lambda version: (version["n"], version["version"][0]))


def shown_entry(entry: ScopeEntry, fields: dict[str, Any] | None = None) -> dict[str, Any]:
    """A version as commands and tools give it: key, value, version, who wrote it when, what it replaced."""
    told = fields if fields is not None else entry.fields()
    is_deleted = told["type"] == DELETE
    return {
        "key": told["key"],
        **({"deleted": True} if is_deleted else {"value": told.get("value")}),
        "version": list(entry.version),
        "over": told.get("over"),
        "n": entry.n,
        **({"v": told["v"]} if "v" in told else {}),
        "at": told["at"],
        "by": entry.writer,
        "why": {name: told[name] for name in _REASONS if name in told and name != "token"},
    }
