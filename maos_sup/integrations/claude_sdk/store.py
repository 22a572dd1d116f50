"""`TreeSessionStore`: the SDK's session store interface, all of it; every append durable before it returns.

Several processes may use one store: a transcript is written in turn. Calls run in a worker thread, so the
loop of the SDK never waits for the disk.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from claude_agent_sdk.types import (
    SessionKey,
    SessionListSubkeysKey,
    SessionStore,
    SessionStoreEntry,
    SessionStoreListEntry,
    SessionSummaryEntry,
)

from maos_sup.integrations.claude_sdk import summaries
from maos_sup.integrations.claude_sdk.transcript import TranscriptIndex, entries_of
from maos_sup.integrations.folders import checked_text, folder_name, store_folder
from maos_sup.integrations.shared_journal import SharedJournal, sweep
from state_layout.errors import BadInput
from state_layout.files import atomic
from state_layout.files.looking import is_dir

MOST_OPEN = 128  # journals, and so file descriptors
SUBPATHS = "subpaths"

Transcript = SharedJournal[TranscriptIndex]


class TreeSessionStore(SessionStore):
    """Keeps transcripts below `folder`: a folder of its own, or an orchestration's tree (`state/claude`).

    Raises NotATree for a folder of something else; its methods raise Damaged, StorageError, Locked, BadInput.
    """

    def __init__(self, folder: Path | str) -> None:
        self.store = store_folder(Path(folder), "claude")
        self._folder = self.store / "sessions"
        atomic.make_folder(self._folder)
        for project in self._folder.iterdir():
            sweep(project)
        self._open: OrderedDict[Path, Transcript] = OrderedDict()
        self._turn = threading.Lock()

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        """Add the entries that are not there yet, all or none; durable when this returns."""
        if entries:
            await asyncio.to_thread(self._append, key, entries)

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        """Load all entries in order; None for a key that was never written."""
        return await asyncio.to_thread(self._load, key)

    async def list_sessions(self, project_key: str) -> list[SessionStoreListEntry]:
        """The sessions of a project and when each main transcript was last written."""
        found = await asyncio.to_thread(self._summaries, project_key)
        return [{"session_id": summary["session_id"], "mtime": summary["mtime"]} for summary in found]

    async def list_session_summaries(self, project_key: str) -> list[SessionSummaryEntry]:
        """List what the SDK folded of each main transcript of a project."""
        return await asyncio.to_thread(self._summaries, project_key)

    async def delete(self, key: SessionKey) -> None:
        """Remove a session with all its subpaths, or one subpath, from the disk."""
        await asyncio.to_thread(self._transcript(key).remove)

    async def list_subkeys(self, key: SessionListSubkeysKey) -> list[str]:
        """The subpaths of a session that have entries."""
        return await asyncio.to_thread(lambda: list(self._subkeys(key)))

    # -- within, in a worker thread

    def _append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        transcript = self._transcript(key)
        transcript.append("append", lambda index: index.appended(entries))
        if key.get("subpath") is None:
            summaries.write(transcript)

    def _load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        shelf = self._transcript(key).read()
        if shelf is None or not shelf.index.places:
            return None
        return [entry for place in list(shelf.index.places) for entry in entries_of(shelf.line(place))]

    def _summaries(self, project_key: str) -> list[SessionSummaryEntry]:
        project = self._folder / folder_name(checked_text(project_key, "project_key"))
        return [found for folder in _folders(project) if (found := summaries.read(folder)) is not None]

    def _subkeys(self, key: SessionListSubkeysKey) -> Iterator[str]:
        for folder in _folders(self._session(key["project_key"], key["session_id"]) / SUBPATHS):
            shelf = SharedJournal(folder, TranscriptIndex, head=("", {})).read()
            if shelf is not None and shelf.index.head is not None and shelf.index.places:
                yield shelf.index.head["subpath"]

    def _session(self, project_key: str, session_id: str) -> Path:
        project = folder_name(checked_text(project_key, "project_key"))
        return self._folder / project / folder_name(checked_text(session_id, "session_id"))

    def _transcript(self, key: SessionKey) -> Transcript:
        head = {"project_key": key["project_key"], "session_id": key["session_id"]}
        folder = self._session(**head)
        subpath = key.get("subpath")
        if subpath is not None:
            if not subpath:
                raise BadInput("subpath '': is empty; leave the key out for the main transcript")
            head["subpath"] = checked_text(subpath, "subpath")
            folder = folder / SUBPATHS / folder_name(subpath)
        with self._turn:
            transcript = self._open.pop(folder, None)
            if transcript is None:
                transcript = SharedJournal(folder, TranscriptIndex, head=("session", head))
            self._open[folder] = transcript
            while len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)  # whoever uses it now keeps it until then
            return transcript


def _folders(folder: Path) -> list[Path]:
    if not is_dir(folder):
        return []
    return sorted(path for path in folder.iterdir() if is_dir(path) and not path.name.startswith("."))
