"""Says how the supervisor stands: its process, its life, and what it remembers by its journals.

Every agent asks before every task what the supervisor settled, and a journal holds a line for each start of
each agent. So only what was appended since the last look is looked through, for the words that change what is
asked; lines are decoded and verified only where there are such. What was read is kept in the process, and in
those forked from it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from maos_sup.core.model import Memory
from maos_sup.standing.presence import is_at_home, is_here, living_process
from state_layout.errors import LayoutError
from state_layout.files import atomic
from state_layout.lives.numbers import last_number, readable_numbers
from state_layout.lives.snapshots import read_snapshot, supervisor_snapshot
from state_layout.paths import Tree
from state_layout.records import TaskOutcome

if TYPE_CHECKING:
    from state_layout.records.snapshots import SupervisorSnapshot

_START = b'"type":"start"'
_SETTLING = (_START, b'"type":"gave_up"', b'"type":"rewound"')
_MEMORABLE = (*_SETTLING, b'"type":"restart"')
_CHUNK_BYTES = 1 << 20


class SupervisorStanding(Struct, frozen=True, kw_only=True):
    """The supervisor stands as files tell; `status` is its snapshot, `memory` what its journals say."""

    pid: int | None
    life: int
    status: SupervisorSnapshot
    memory: Memory = field(default_factory=Memory)
    elsewhere: str | None = None  # where it runs, if it was not started to be seen from here


def supervisor_standing(tree: Tree) -> SupervisorStanding:
    """Look at the supervisor. Its journals are not asked while it lives and its snapshot is of its life."""
    pid, place = living_process(tree.supervisor_handle, tree.supervisor_lock, here=is_here(tree))
    if pid is not None and place is None:
        place = _other_name(tree) if not is_at_home(tree) else None
    if pid is None:
        pid, place = _elsewhere(tree)
    life = last_number(tree.lives)
    status = supervisor_snapshot(read_snapshot(tree.supervisor_status))
    memory = Memory() if pid is not None and status.get("life") == life else remembered(tree)
    return SupervisorStanding(pid=pid, life=life, status=status, memory=memory, elsewhere=place)


def _other_name(tree: Tree) -> str | None:
    from state_layout.host.elsewhere import works_under_another_name  # few trees were moved

    return works_under_another_name(tree)


def _elsewhere(tree: Tree) -> tuple[int | None, str | None]:
    """Find it on another machine: its number there, and where that is."""
    from state_layout.lives.leases import supervisor_elsewhere  # most are here

    lease = supervisor_elsewhere(tree)
    return (None, None) if lease is None else (lease.pid, lease.where)


def remembered(tree: Tree) -> Memory:
    """Recall what the newest life knew that got as far as a line.

    Files that are no journals are passed over: `check` names them, and agents say most things themselves.
    """
    return _newest(tree, _MEMORABLE)


def settled_by_supervisor(tree: Tree) -> Mapping[str, TaskOutcome]:
    """Read the tasks that a supervisor gave up, from the newest life that began. The same object if that
    is all that there was at the last call in this process, or in the one it was forked from."""
    return _newest(tree, _SETTLING).outcomes


class _Read(Struct, frozen=True):
    """A journal of a supervisor's life said this, up to the end of a whole line."""

    inode: int
    end: int  # in bytes
    memory: Memory | None  # None: the life has not begun, or its file is no journal


_NOTHING = Memory()
_kept: dict[tuple[Path, tuple[bytes, ...]], _Read] = {}


def _newest(tree: Tree, words: tuple[bytes, ...]) -> Memory:
    for number in reversed(readable_numbers(tree.lives)):
        memory = _memory_in(tree.life_journal(number), words)
        if memory is not None:
            return memory
    return _NOTHING


def _memory_in(path: Path, words: tuple[bytes, ...]) -> Memory | None:
    """Read what the life with this journal knew, by the lines that hold one of `words`; None before it has
    begun.

    Its first line tells what the lives before it knew.
    """
    known = _kept.get((path, words))
    try:
        with atomic.opened(path, os.O_RDONLY) as descriptor:
            found = os.fstat(descriptor)
            if known is not None and (known.inode != found.st_ino or known.end > found.st_size):
                known = None
            begin = 0 if known is None else known.end
            fresh = _bytes_from(descriptor, begin)
    except OSError:
        return None
    end = begin + fresh.rfind(b"\n") + 1  # what follows may be taken back
    has_news = any(word in fresh for word in words[1:])
    if known is None or known.memory is None or has_news:
        known = _Read(found.st_ino, end, _folded(path, words, all_lines=has_news or begin > 0))
    elif end > begin:
        known = _Read(found.st_ino, end, known.memory)
    _kept[path, words] = known
    return known.memory


def _bytes_from(descriptor: int, offset: int) -> bytes:
    chunks = list[bytes]()
    while chunk := os.pread(descriptor, _CHUNK_BYTES, offset):
        chunks.append(chunk)
        offset += len(chunk)
    return b"".join(chunks)


def _folded(path: Path, words: tuple[bytes, ...], *, all_lines: bool) -> Memory | None:
    from maos_sup.core.memory import memory_after  # a snapshot tells most of those who look
    from state_layout.files.journal import Reader

    lines = islice(Reader(path), None if all_lines else 1)
    memorable = (line.fields() for line in lines if any(word in line.raw for word in words))
    try:
        return memory_after(memorable, now_s=0.0)
    except (LayoutError, OSError, ValueError):
        return None
