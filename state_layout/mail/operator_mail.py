"""People's mail: `operator.jsonl`, appended by hand (`echo '{"text":"..."}' >>`) or by `maos-sup send`.

Not chained, since people write it. A reader tolerates blank lines, a missing last line feed, several objects
on one line (what that leads to) and edits of what it has read; a bad line is reported and skipped, never
fatal. Its mark counts what was read and holds the hash of the last line read, by which the place is found
again in a file that was edited.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypedDict

from state_layout.errors import BadInput, storage_error
from state_layout.files import atomic, codec, disk
from state_layout.files.chain import utc_now
from state_layout.files.fence import refuse_links
from state_layout.files.looking import exists
from state_layout.files.reading import Unreadable, read_regular
from state_layout.lives.history import Mark
from state_layout.mail.boxes import OPERATOR, check_recipient
from state_layout.paths import Tree
from state_layout.records import MESSAGE_TYPES, Message
from state_layout.shapes.places import repeats_a_key

LARGEST_BYTES = 1 << 26
_MOST_LOOKED_AT_BYTES = 1 << 18  # by a view; `check` reads more
_EMPTIED = "emptied:"  # before the hash in a mark: there was nothing in the file any more
_TWICE = "no message: a key is there twice"
_SEAM = re.compile(rb"\}\s*\{")
_LONGEST_SEAMED_BYTES, _MOST_SEAMS = 1 << 16, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorEntry:
    """An entry of the file is a message, or what is wrong with it. `mark` is the place after it."""

    message: Message | None
    problem: str | None
    mark: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorNews:
    """News is what follows a mark. `mark` is the end of all that could be read; `is_moved`: the file was
    edited."""

    entries: list[OperatorEntry]
    mark: Mark
    is_moved: bool = False
    is_anew: bool = False  # it holds nothing of what was read
    problem: str | None = None


def read_operator_file(path: Path, mark: Mark, *, to: str) -> OperatorNews:
    """Read what people wrote to `to` after `mark`. Never raises for what is in the file."""
    try:
        data, _ = read_regular(path, most_bytes=LARGEST_BYTES)
    except FileNotFoundError:
        return OperatorNews(entries=[], mark=mark)
    except Unreadable as reason:
        return OperatorNews(entries=[], mark=mark, problem=str(reason))
    if mark[0] and not data.strip():
        emptied = _EMPTIED + mark[2].removeprefix(_EMPTIED)
        return OperatorNews(entries=[], mark=(mark[0], 0, emptied), is_moved=mark[1] > 0, is_anew=True)
    is_place = mark[1] > 0 or mark[0] == 0
    stands = is_place and mark[1] <= len(data) and _hash_at(data, mark[1]) == mark[2]
    start = mark[1] if stands else _found_again(data, mark)
    entries = [*_entries(data, start, mark[0], to=to)]
    end = entries[-1].mark if entries else (mark[0], start, _hash_at(data, start))
    if not data[end[1] :].strip():
        end = (end[0], len(data), end[2])
    return OperatorNews(
        entries=entries, mark=end, is_moved=not stands and mark[1] > 0, is_anew=not stands and start == 0
    )


def problems_in(path: Path) -> tuple[str, ...]:
    """List what is no message in a file of people's, as `<line>: why`; of a large file nothing.

    It is read again only after it changed: views ask all the time.
    """
    try:
        seen = path.stat()
    except OSError:
        return ()
    if seen.st_size > _MOST_LOOKED_AT_BYTES:
        return ()
    return _problems_in(path, seen.st_mtime_ns, seen.st_size)


@lru_cache(maxsize=256)
def _problems_in(path: Path, mtime_ns: int, size: int) -> tuple[str, ...]:
    entries = read_operator_file(path, (0, 0, ""), to="").entries
    return tuple(entry.problem for entry in entries if entry.problem is not None)


def append_operator_message(
    tree: Tree,
    to: str,
    *,
    text: str | None = None,
    body: Any = None,
    type: str = "info",
    reply_to: str | None = None,
    now: Callable[[], str] = utc_now,
) -> None:
    """Append a message of a person to agent `to`, or to `all`; durable when this returns.

    Raises BadInput for an unknown agent or type or an empty message, StorageError.
    """
    check_recipient(tree, to)
    if type not in MESSAGE_TYPES:
        raise BadInput(f"'type' is {type!r}; use one of {', '.join(MESSAGE_TYPES)}")
    if text is None and body is None:
        raise BadInput("a message needs a text or a body")
    told = {"text": text, "body": body, "reply_to": reply_to}
    entry = {"at": now(), "type": type} | {key: item for key, item in told.items() if item is not None}
    path = tree.mail_file(to, OPERATOR)
    refuse_links(tree.root, path.parent)
    atomic.make_folder(path.parent)
    is_new = not exists(path)
    try:
        with atomic.opened(path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as descriptor:
            _append(descriptor, codec.encode(entry) + b"\n")
            disk.fdatasync(descriptor)
    except OSError as cause:
        raise storage_error("append", path, cause) from cause
    atomic.fsync_folder(path.parent)  # also if it was there: a person's `echo >>` synced nothing
    if is_new:
        atomic.fsync_folder(tree.mail)


def _append(descriptor: int, line: bytes) -> None:
    """Append `line` on a line of its own; cut back what was written of it if it cannot be finished."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        line = b"\n" + line
    written = 0
    try:
        while written < len(line):
            written += disk.write(descriptor, line[written:])
    except OSError:
        if os.fstat(descriptor).st_size == size + written:  # nobody wrote after it
            disk.truncate(descriptor, size)
        raise


class OperatorLine(TypedDict, total=False):
    """People write a message so: any key may be missing, or of another type (`_problem`)."""

    text: str | None
    type: str | None
    body: Any
    reply_to: str | None
    at: str | None


def _entries(data: bytes, start: int, count: int, *, to: str) -> Iterator[OperatorEntry]:
    """Yield the entries from byte `start` on; `count` were read before. An unfinished last line is not one
    yet."""
    number = data.count(b"\n", 0, start) + 1
    while start < len(data):
        feed = data.find(b"\n", start)
        end = feed if feed >= 0 else len(data)
        values = _objects(data[start:end])
        if values is None and feed < 0:
            return
        for value, length in [(None, end - start)] if values is None else values:
            is_ambiguous = value is not None and repeats_a_key(data[start : start + length])
            start += length
            count += 1
            mark = (count, start, _hash_at(data, start))
            problem = _TWICE if is_ambiguous else _problem(value)
            yield _entry(value, problem, mark, number, to=to)
        start, number = end + 1, number + 1


def _objects(line: bytes) -> list[tuple[OperatorLine, int]] | None:
    """The JSON objects on a line with the bytes each takes, or None if something else is there."""
    if not line.strip():
        return []
    found: list[tuple[OperatorLine, int]] = []
    begin = 0
    seams = [seam.start() + 1 for seam in _SEAM.finditer(line)] if len(line) < _LONGEST_SEAMED_BYTES else []
    for end in [*seams[:_MOST_SEAMS], len(line)]:
        try:
            value: Any = codec.decode_object(line[begin:end])
            found.append((value, end - begin))
            begin = end
        except codec.NotJson:
            continue  # a seam within a text
    return found if begin == len(line) else None


def _entry(
    value: OperatorLine | None, problem: str | None, mark: Mark, number: int, *, to: str
) -> OperatorEntry:
    if value is None or problem is not None:
        return OperatorEntry(message=None, problem=f"{number}: {problem}; skipped", mark=mark)
    message = Message(
        sender=OPERATOR,
        to=to,
        seq=mark[0],
        type=value.get("type") or "info",
        text=value.get("text"),
        body=value.get("body"),
        reply_to=value.get("reply_to"),
        at=value.get("at") or "",
    )
    return OperatorEntry(message=message, problem=None, mark=mark)


def _problem(value: OperatorLine | None) -> str | None:
    if value is None:
        return 'not a JSON object; write {"text": "..."}'
    for key in ("text", "type", "reply_to", "at"):
        if not isinstance(value.get(key, ""), str | None):
            return f"no message: '{key}' is no text"
    if (value.get("type") or "info") not in MESSAGE_TYPES:
        return f"no message: 'type' is {value['type']!r}; use one of {', '.join(MESSAGE_TYPES)}"
    if value.get("text") is None and value.get("body") is None:
        return "no message: it has no 'text' and no 'body'"
    return None


def _hash_at(data: bytes, offset: int) -> str:
    """Hash the last line that is not blank before `offset`, as far as it goes before it."""
    end = offset
    while end and data[end - 1] in b" \t\r\n":
        end -= 1
    line = data[data.rfind(b"\n", 0, end) + 1 : end].strip()
    return sha256(line).hexdigest()[:12] if line else ""


def _found_again(data: bytes, mark: Mark) -> int:
    """Find where to go on in a file that was edited: after the last line read, else after as many lines.

    One that was empty meanwhile may be what an editor was about to save. A file that has neither that line
    nor more lines and bytes than were read was begun anew (`>` for `>>`): all of it is read, since a message
    that comes twice does less harm than one that is lost.
    """
    offset, count, after_count = 0, 0, 0
    found, last = -1, mark[2].removeprefix(_EMPTIED)
    for line in data.split(b"\n"):
        offset = min(offset + len(line) + 1, len(data))
        if not line.strip():
            continue
        count += 1
        if sha256(line.strip()).hexdigest()[:12] == last:
            found = offset
        if count <= mark[0]:
            after_count = offset
    if found >= 0:
        return found
    is_anew = count <= mark[0] or len(data) < mark[1] or mark[2] != last
    return 0 if is_anew else after_count
