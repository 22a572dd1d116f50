"""The threads of one store as folders with a journal each; a bounded number is kept open."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from maos_sup.integrations.folders import checked_text, folder_name, store_folder
from maos_sup.integrations.langgraph.index import ThreadIndex
from maos_sup.integrations.shared_journal import JOURNAL, SharedJournal, sweep
from state_layout.files import atomic

MOST_OPEN = 128  # journals, and so file descriptors

ThreadJournal = SharedJournal[ThreadIndex]


class Threads:
    """Finds the journal of a thread. Safe for threads of the process; other processes may use the store."""

    def __init__(self, folder: Path) -> None:
        self.store = store_folder(folder, "langgraph")
        self._folder = self.store / "threads"
        atomic.make_folder(self._folder)
        sweep(self._folder)
        self._open: OrderedDict[str, ThreadJournal] = OrderedDict()
        self._turn = threading.Lock()

    def named(self, thread_id: str) -> ThreadJournal:
        """The journal of the thread `thread_id`, which may not exist yet."""
        name = folder_name(thread_id)
        with self._turn:
            journal = self._open.pop(name, None)
            if journal is None:
                head = ("thread", {"thread_id": thread_id})
                journal = SharedJournal(self._folder / name, ThreadIndex, head=head)
            self._open[name] = journal
            while len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)  # whoever uses it now keeps it until then
            return journal

    def ids(self) -> Iterator[str]:
        """The ids of all threads that have something."""
        for path in sorted(self._folder.glob(f"*/{JOURNAL}")):
            if not path.parent.name.startswith("."):
                shelf = SharedJournal(path.parent, ThreadIndex, head=("", {})).read()
                if shelf is not None and shelf.index.thread_id is not None:
                    yield shelf.index.thread_id


def thread_text(value: object) -> str:
    """Make text of a thread's id: numbers are taken for theirs, as other savers do. Raises BadInput."""
    return checked_text(value, "thread_id")
