"""Make batches of what changed in a tree since a cursor. Only reads, beside living writers and on copies.

Whoever applies a batch asks for the next one only when that is done: where applying fails, this object is
given up, and a new one begins at the mirror's own cursor.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from math import inf
from pathlib import Path

from maos_sup.mirrors.mirror import NONE, Content, Cursor, FilePiece, Lines, MirrorBatch, Sort
from maos_sup.mirrors.scanning import Scanner
from maos_sup.mirrors.sources import FollowedFile, source_of
from state_layout.errors import Damaged, StorageError
from state_layout.files import atomic
from state_layout.files.chain import ORIGIN, Run, utc_now
from state_layout.files.journal import Reader
from state_layout.files.reading import Unreadable, read_regular
from state_layout.lives.attempts import list_attempts
from state_layout.lives.lineage import Lineage
from state_layout.paths import Tree

LARGEST_CONTENT_BYTES = 1 << 26
LARGEST_SEQ = (1 << 63) - 1
BATCH_BYTES = 1 << 19  # after so many a batch is handed over
_PIECE_BYTES = 1 << 18
_TAIL_BYTES = 1 << 12
_SETTLED_S = 2.0  # after a change was seen: one that was under way then is done


@dataclass(slots=True)
class _Filling:
    """A batch that is being filled."""

    lines: list[Lines] = field(default_factory=list)
    pieces: list[FilePiece] = field(default_factory=list)
    contents: list[Content] = field(default_factory=list)
    gone: dict[str, bool] = field(default_factory=dict)
    counted: dict[str, int | None] = field(default_factory=dict)
    agents: set[str] = field(default_factory=set)  # whose lives are to be judged anew
    size_bytes: int = 0

    def batch(self) -> MirrorBatch:
        return MirrorBatch(
            lines=tuple(self.lines),
            pieces=tuple(self.pieces),
            contents=tuple(self.contents),
            gone=self.gone,
            counted=self.counted,
            at=utc_now(),
        )


class Looker:
    """Finds what is new in `tree` for a mirror that has come as far as `cursor`, which moves along.

    A file counts as removed when it has been missing for `hold_s` in a tree that is whole otherwise: a tree
    that is being deleted while it is looked at does not take along what the mirror could make again.
    """

    def __init__(self, tree: Tree, cursor: Cursor, *, hold_s: float = 0.0) -> None:
        self._tree, self.cursor, self._hold_s = tree, cursor, hold_s
        self.missing: dict[str, float] = {}  # since when, of files that were not there at the last look
        self.scanner = Scanner(tree)
        self.troubles: dict[str, str] = {}  # by path: why a file is not followed, or not to its end
        self._filling = _Filling()
        self._judged: dict[str, int] = {}  # by agent: the newest attempt that its `counted` knows of
        self._is_first = True
        self.unsettled: dict[str, float] = {}  # contents that are read once more, and when: monotonic

    def batches(self, *, is_whole: bool = True) -> Iterator[MirrorBatch]:
        """Yield what changed since the last look, each part small enough for one transaction.

        Unless `is_whole`, attempts that are not among the newest are passed over. Raises StorageError where
        the tree is gone, or cannot be read.
        """
        changed, lost = self.scanner.look(is_whole=is_whole or self._is_first)
        if self._is_first:
            known = {*self.cursor.lines, *self.cursor.pieces, *self.cursor.contents}
            lost = [*lost, *(known - self.scanner.files.keys())]
            self._is_first = False
        self._lose(self._surely_lost(lost))
        for path in sorted({*changed, *self._due(changed)}, key=_order):
            source = source_of(path)
            if source is None:
                continue
            self.troubles.pop(path, None)
            for _ in self._take(path, source):
                if self._filling.size_bytes >= BATCH_BYTES:
                    yield self._flushed()
        last = self._flushed()
        if not last.is_empty:
            yield last

    def _due(self, changed: list[str]) -> list[str]:
        """The contents to be read once more: what is overwritten has its new stamp before its new bytes.

        Those that are renamed into place have both at once, and change all the time.
        """
        now_s = time.monotonic()
        due = [path for path, at_s in self.unsettled.items() if at_s <= now_s or path in changed]
        for path in due:
            del self.unsettled[path]
        for path in changed:
            source = source_of(path)
            if source is not None and source.sort is Sort.CONTENT and not path.endswith("status.json"):
                self.unsettled[path] = now_s + _SETTLED_S
        return [path for path in due if path in self.scanner.files]

    @property
    def due_s(self) -> float:
        """Say when there is something to look at though nothing changes, by the monotonic clock."""
        lost_s = (since_s + self._hold_s for since_s in self.missing.values())
        return min([*self.unsettled.values(), *lost_s], default=inf)

    def judge_all(self) -> None:
        """Say of every agent which of its lines count, in `cursor.counted`."""
        self.scanner.look(is_whole=True)
        journals = [source_of(path) for path in self.scanner.files]
        for agent in sorted({each.agent or "" for each in journals if each and each.what == "journal"}):
            self._judge(agent)

    @property
    def behind_bytes(self) -> int:
        """Count the bytes of growing files that the mirror does not have, by their sizes at the last look."""
        total = 0
        for path, stamp in self.scanner.files.items():
            source = source_of(path)
            if source is not None and source.sort is Sort.LINES:
                total += max(0, stamp.size - self.cursor.lines.get(path, ORIGIN).offset)
            elif source is not None and source.sort is Sort.PIECES:
                total += max(0, stamp.size - self.cursor.pieces.get(path, (0, ""))[0])
        return total

    def behind_contents(self) -> int:
        """Count the bytes of small files that the mirror has in another form, or not: each file is read."""
        total = 0
        for path in self.scanner.files:
            source = source_of(path)
            if source is None or source.sort is not Sort.CONTENT:
                continue
            with suppress(Unreadable, OSError, StorageError):
                data, digest = self._content(path)
                total += max(1, len(data)) if self.cursor.contents.get(path) != digest else 0
        return total + len(self.cursor.contents.keys() - self.scanner.files.keys())

    def _content(self, path: str) -> tuple[bytes, str]:
        """A small file, and what a cursor knows of it."""
        data, _ = read_regular(self._tree.root / path, most_bytes=LARGEST_CONTENT_BYTES)
        is_executable = self.scanner.files[path].is_executable
        return data, sha256(data).hexdigest() + ("+" if is_executable else "")

    def _take(self, path: str, source: FollowedFile) -> Iterator[None]:
        if path in self.cursor.gone:
            self.cursor.gone.discard(path)
            self._filling.gone[path] = False
        try:
            if source.sort is Sort.LINES:
                yield from self._take_lines(path, source)
            elif source.sort is Sort.PIECES:
                yield from self._take_pieces(path)
            else:
                self._take_content(path, source)
                yield
        except FileNotFoundError:
            self.scanner.forget(path)  # it went just now
        except (Unreadable, OSError, StorageError) as cause:
            self.troubles[path] = f"{path}: {cause}"
            self.scanner.forget(path)

    def _take_lines(self, path: str, source: FollowedFile) -> Iterator[None]:
        known = self.cursor.lines.get(path, ORIGIN)
        reader = Reader(self._tree.root / path, known)
        is_anew = False
        if known.offset and not reader.stands():
            reader, is_anew = Reader(self._tree.root / path), True
            if not self._begins(path):
                return  # empty or torn at its first line: what is known of it may still come back
        runs, size = list[Run](), 0
        for run in reader.runs():
            if run.end.seq > LARGEST_SEQ:
                self.troubles[path] = f"{path}: seq {run.end.seq} is larger than any database can hold"
                break
            runs.append(run)
            size += run.end.offset - run.after.offset
            if size >= BATCH_BYTES:
                self._add_lines(path, source, runs, is_anew=is_anew)
                yield
                runs, size, is_anew = [], 0, False
        if runs:
            self._add_lines(path, source, runs, is_anew=is_anew)
        damage = reader.damage
        if damage is not None and not damage.is_tail:
            self.troubles[path] = f"{path}: not valid after seq {damage.position.seq}; see maos-sup check"
        yield

    def _begins(self, path: str) -> bool:
        return next(iter(Reader(self._tree.root / path)), None) is not None

    def _add_lines(self, path: str, source: FollowedFile, runs: list[Run], *, is_anew: bool) -> None:
        lines = Lines(path=path, runs=tuple(runs), is_anew=is_anew)
        size = lines.end.offset - runs[0].after.offset
        self._filling.lines.append(lines)
        self._filling.size_bytes += size
        self.cursor.lines[path] = lines.end
        agent = source.agent if source.what == "journal" else None
        if agent is not None and (is_anew or (source.attempt or 0) > self._judged.get(agent, 0)):
            self._filling.agents.add(agent)

    def _take_pieces(self, path: str) -> Iterator[None]:
        offset, tail = self.cursor.pieces.get(path, (0, ""))
        with atomic.opened(self._tree.root / path, os.O_RDONLY) as descriptor:
            is_anew = offset > 0 and _tail(descriptor, offset) != tail
            offset = 0 if is_anew else offset
            while data := os.pread(descriptor, _PIECE_BYTES, offset):
                tail = _tail(descriptor, offset + len(data))
                self._filling.pieces.append(
                    FilePiece(path=path, offset=offset, data=data, tail=tail, is_anew=is_anew)
                )
                offset, is_anew = offset + len(data), False
                self._filling.size_bytes += len(data)
                self.cursor.pieces[path] = (offset, tail)
                yield
            if is_anew or path not in self.cursor.pieces:  # it was emptied, or has nothing yet
                self._filling.pieces.append(FilePiece(path=path, offset=0, data=b"", tail="", is_anew=True))
                self.cursor.pieces[path] = (0, "")
        yield

    def _take_content(self, path: str, source: FollowedFile) -> None:
        data, digest = self._content(path)
        if self.cursor.contents.get(path) == digest:
            return
        self._filling.contents.append(Content(path=path, data=data, sha256=digest))
        self._filling.size_bytes += len(data)
        self.cursor.contents[path] = digest
        if source.what == "exit" and source.agent is not None:
            self._filling.agents.add(source.agent)

    def _surely_lost(self, lost: list[str]) -> list[str]:
        now_s = time.monotonic()
        known = {**dict.fromkeys(lost, now_s), **self.missing}
        self.missing = {path: since_s for path, since_s in known.items() if path not in self.scanner.files}
        if self._tree.shown(self._tree.orchestration_spec) not in self.scanner.files:
            return []  # what no tree is without is gone: it is being deleted, or copied over
        found = [path for path, since_s in self.missing.items() if now_s - since_s >= self._hold_s]
        for path in found:
            del self.missing[path]
        return found

    def _lose(self, lost: list[str]) -> None:
        """Note what is lost: contents go with their file; lines and pieces are records, which are kept and
        marked."""
        for path in lost:
            if path in self.cursor.contents:
                del self.cursor.contents[path]
                self._filling.contents.append(Content(path=path, data=None, sha256=""))
            elif path in {*self.cursor.lines, *self.cursor.pieces} and path not in self.cursor.gone:
                self.cursor.gone.add(path)
                self._filling.gone[path] = True

    def _flushed(self) -> MirrorBatch:
        for agent in sorted(self._filling.agents):
            self._judge(agent)
        batch, self._filling = self._filling.batch(), _Filling()
        return batch

    def _judge(self, agent: str) -> None:
        """Say anew which lines of `agent` count: its last life does, and what that goes back to."""
        paths = self._tree.agent(agent)
        numbers = list_attempts(paths)
        try:
            lives = Lineage(self._tree, paths, numbers).lives(lambda life: False)
        except (Damaged, StorageError) as cause:
            self.troubles[f"agents/{agent}"] = str(cause)
            return
        self.troubles.pop(f"agents/{agent}", None)
        counting = {life.number: life.last_seq for life in lives}
        self._judged[agent] = max(counting, default=0)
        for number in numbers:
            path = self._tree.shown(paths.attempt(number).journal)
            last = counting.get(number, NONE)
            if path in self.scanner.files and self.cursor.counted.get(path) != last:
                self._filling.counted[path] = self.cursor.counted[path] = last


def tail_of(data: bytes) -> str:
    """The hash of the end of what is known of a file of pieces."""
    return sha256(data[-_TAIL_BYTES:]).hexdigest()[:12]


def _tail(descriptor: int, end: int) -> str:
    begin = max(0, end - _TAIL_BYTES)
    return tail_of(os.pread(descriptor, end - begin, begin)) if end else ""


def _order(path: str) -> tuple[int, str]:
    """Compactions before the journals that they are of, ends of lives after all they tell of."""
    name = Path(path).name
    if name == "exit.json":
        return 9, path
    source = source_of(path)
    return (
        0 if source is None or source.sort is Sort.CONTENT else 5 if source.sort is Sort.LINES else 7
    ), path
