"""One transcript as lines: what an append adds, what is folded of it, how entries stand in a file."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import cast

from claude_agent_sdk import fold_session_summary
from claude_agent_sdk.types import SessionKey, SessionStoreEntry, SessionSummaryEntry

from maos_sup.integrations.plain import is_plain
from maos_sup.integrations.shared_journal import Fields, JournalPlace

HEAD = ("project_key", "session_id", "subpath")


class TranscriptIndex:
    """An index is the fold of one transcript: which entries it has, where they lie, what lists tell of it."""

    def __init__(self) -> None:
        self.head: Mapping[str, str] | None = None
        self.places: list[JournalPlace] = []
        self.at_ms = 0
        self.summary: SessionSummaryEntry | None = None  # of a main transcript
        self._uuids = set[str]()

    def take(self, fields: Fields, place: JournalPlace) -> None:
        """Fold one line."""
        if fields["type"] == "session":
            self.head = {
                key: fields[key] for key in ("project_key", "session_id", "subpath") if key in fields
            }
        elif fields["type"] == "append":
            self._take_entries(fields, place)

    def appended(self, entries: list[SessionStoreEntry]) -> dict[str, object] | None:
        """The line for those of `entries` that are new, None if there are none."""
        new, seen = list[SessionStoreEntry](), set(self._uuids)
        for entry in entries:
            uuid = entry.get("uuid")
            if not isinstance(uuid, str) or uuid not in seen:
                new.append(entry)
            if isinstance(uuid, str):
                seen.add(uuid)
        at_ms = max(time.time_ns() // 1_000_000, self.at_ms + 1)
        return {"at_ms": at_ms, "entries": [form(entry) for entry in new]} if new else None

    def _take_entries(self, fields: Fields, place: JournalPlace) -> None:
        found = entries_of(fields)
        self.places.append(place)
        self.at_ms = fields["at_ms"]
        self._uuids |= {entry["uuid"] for entry in found if isinstance(entry.get("uuid"), str)}
        if self.head is not None and "subpath" not in self.head:
            key = cast(SessionKey, self.head)
            self.summary = fold_session_summary(self.summary, key, found)
            self.summary["mtime"] = self.at_ms


def form(entry: SessionStoreEntry) -> dict[str, object]:
    """`entry` as it stands in a line."""
    return {"json": entry} if is_plain(entry) else {"text": json.dumps(entry)}


def entries_of(fields: Fields) -> list[SessionStoreEntry]:
    """Decode the entries of an `append` line."""
    return [item["json"] if "json" in item else json.loads(item["text"]) for item in fields["entries"]]
