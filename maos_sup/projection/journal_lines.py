"""Lines of journals between two times, read from where they stand: never a whole journal for a part of it.

Times in a journal rise, so the place where a window begins is found by halving. Lines are taken at their own
word, as `state_layout.files.tail` does: who shows them decides nothing by them, and `check` verifies them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from state_layout.files import atomic, codec

_NEAR_BYTES, _FIRST_BYTES = 1 << 14, 1 << 12
_HEAD = re.compile(rb'\{"seq":(\d{1,19}),"at":"([^"]{1,40})",(?:"synced":\d+,)?"type":"([a-z_]+)"')
_BEGIN_S, _END_S = 0.0, 253402300799.0  # what a calendar here holds


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLine:
    """A journal line is decoded. `at_s`: seconds since the epoch; `is_void`: it does not count (any more)."""

    agent: str
    attempt: int
    seq: int
    at_s: float
    type: str
    h: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    is_void: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece is whole lines of one file: `raws`, oldest first; `left_out` bytes of the window stand
    before."""

    raws: tuple[bytes, ...]
    left_out: int = 0
    end: int = 0  # offset after the last of them


def seconds_of(at: object) -> float | None:
    """Seconds since the epoch of a time as `at` is written; None for what is none."""
    try:
        moment = datetime.fromisoformat(str(at))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def text_of(at_s: float) -> str:
    """`at_s` as `at` is written."""
    moment = datetime.fromtimestamp(min(max(at_s, _BEGIN_S), _END_S), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def type_of(raw: bytes) -> str:
    """Read the type of a line, without decoding it; empty for what is no line of a journal."""
    found = _HEAD.match(raw)
    return found[3].decode() if found else ""


def decoded(raw: bytes, *, agent: str, attempt: int, void_above: int | None = None) -> JournalLine | None:
    """`raw` as a value, or None if it is no line. `void_above`: the last number that counts in its life."""
    try:
        fields = codec.decode_object(raw)
    except codec.NotJson:
        return None
    seq, at_s = fields.get("seq"), seconds_of(fields.get("at"))
    if not isinstance(seq, int) or at_s is None:
        return None
    return JournalLine(
        agent=agent,
        attempt=attempt,
        seq=seq,
        at_s=at_s,
        type=str(fields.get("type")),
        h=str(fields.get("h")),
        fields=fields,
        is_void=void_above is not None and seq > void_above,
    )


def first_line(path: Path) -> bytes | None:
    """Read the first whole line of `path`; None if there is none."""
    try:
        with atomic.opened(path, os.O_RDONLY) as descriptor:
            line, feed, _ = os.pread(descriptor, _FIRST_BYTES, 0).partition(b"\n")
    except OSError:
        return None
    if feed:
        return line
    for raw in lines_from(path, 0):
        return raw
    return None


def last_line_of(path: Path) -> bytes | None:
    """The last whole line of `path`, if it is not longer than 16 KB."""
    try:
        with atomic.opened(path, os.O_RDONLY) as descriptor:
            size = os.fstat(descriptor).st_size
            begin = max(0, size - _NEAR_BYTES)
            tail = os.pread(descriptor, _NEAR_BYTES, begin)
    except OSError:
        return None
    whole = tail[: tail.rfind(b"\n") + 1].splitlines()
    return whole[-1] if whole and (len(whole) > 1 or begin == 0) else None


def lines_from(path: Path, offset: int) -> Iterator[bytes]:
    """Yield the whole lines of `path` from `offset` on, where one begins; a missing file has none."""
    for lines, _ in batches_from(path, offset):
        yield from lines


def batches_from(path: Path, offset: int, until: int = sys.maxsize) -> Iterator[tuple[list[bytes], int]]:
    """Yield lines as `lines_from` does, many at a time, each time with the offset behind the last of them;
    none that ends behind `until`."""
    try:
        with atomic.opened(path, os.O_RDONLY) as descriptor:
            rest = b""
            while data := os.pread(descriptor, max(0, min(1 << 18, until - offset)), offset):
                offset += len(data)
                *whole, rest = (rest + data).split(b"\n")
                yield whole, offset - len(rest)
    except OSError:
        return


def piece_of(path: Path, *, since: str, until: str, most_bytes: int) -> Piece:
    """The lines of `path` from `since` to `until` (as `at` is written); of many the last ones.

    Reads `most_bytes` and a few kilobytes more, whatever the length of the file.
    """
    try:
        with atomic.opened(path, os.O_RDONLY) as descriptor:
            size = os.fstat(descriptor).st_size
            begin = _offset_at(descriptor, size, since)
            end = _offset_at(descriptor, size, until + "~")
            start = max(begin, end - most_bytes)
            data = os.pread(descriptor, end - start, start)
    except OSError:
        return Piece(raws=())
    if start > begin:  # in the middle of a line
        cut = data.find(b"\n") + 1
        start, data = start + cut, data[cut:]
    whole = data[: data.rfind(b"\n") + 1]
    return Piece(raws=tuple(whole.splitlines()), left_out=start - begin, end=start + len(whole))


def _offset_at(descriptor: int, size: int, at: str) -> int:
    """Find the first line whose time is not before `at`, by its offset; `size` where all are before."""
    low, high, wanted = 0, size, at.encode()
    while high - low > _NEAR_BYTES:
        middle = (low + high) // 2
        found = _line_after(descriptor, middle, high)
        if found is None or found[1] >= wanted:
            high = middle
        else:
            low = found[0]
    return _exactly(descriptor, low, size, wanted)


def _exactly(descriptor: int, offset: int, size: int, wanted: bytes) -> int:
    """As `_offset_at`, line by line from `offset`, where a line begins."""
    while offset < size:
        data = os.pread(descriptor, 2 * _NEAR_BYTES, offset)
        end = data.rfind(b"\n") + 1
        if not end:
            longer = os.pread(descriptor, 1 << 22, offset)  # a line of up to 4 MB
            end = longer.find(b"\n") + 1
            data = longer
            if not end:
                return offset
        for raw in data[:end].splitlines(keepends=True):
            head = _HEAD.match(raw)
            if head is not None and head[2] >= wanted:
                return offset
            offset += len(raw)
    return min(offset, size)


def _line_after(descriptor: int, offset: int, high: int) -> tuple[int, bytes] | None:
    """The offset and the time of the first line that begins after `offset` and before `high`."""
    data = os.pread(descriptor, min(_NEAR_BYTES, high - offset), offset)
    place = data.find(b"\n") + 1
    while place:
        head = _HEAD.match(data, place)
        if head is not None:
            return offset + place, head[2]
        place = data.find(b"\n", place) + 1
    return None
