"""One line of a chained file: how it is made and how it is told from a torn one.

The last key `h` hashes the previous `h` and this line's bytes before it (FORMAT.md, "Chained lines"). So a
whole line, a torn one, a hole and a hand edit are told apart without decoding, and a file is scanned at the
speed of SHA-256.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from state_layout.files import codec

_OPENING, _CLOSING = b',"h":"', b'"}'
TAIL_BYTES = 21  # ,"h":"xxxxxxxxxxxx"} and the line feed
LONGEST_SEQ_DIGITS = 19
_LAST_SEQ = 10**LONGEST_SEQ_DIGITS - 1
_HEAD, _TAIL = b'{"seq":%d,', ',"h":"%.12s"}'
_AT_ONCE = 64  # lines


class Position(NamedTuple):
    """A position is a place between two lines: what was read or written up to here."""

    seq: int = 0
    offset: int = 0  # bytes
    h: str = ""


ORIGIN = Position()


class Line(NamedTuple):
    """A line is whole and valid. `raw` is without its line feed; `end` is the position after it."""

    raw: bytes
    end: Position

    @property
    def seq(self) -> int:
        return self.end.seq

    def fields(self) -> Any:
        """Decode the line: an object, which its reader declares (`records`). Raises NotJson."""
        return codec.decode_object(self.raw)


class Run(NamedTuple):
    """A run is whole lines that follow each other with no number left out. `raws` has at least one, as in
    `Line`."""

    after: Position  # before the first
    raws: Sequence[bytes]
    end: Position  # after the last

    @property
    def first_seq(self) -> int:
        return self.end.seq - len(self.raws) + 1

    def lines(self) -> Iterator[Line]:
        """Yield each line with its end."""
        offset = self.after.offset
        for seq, raw in enumerate(self.raws, self.first_seq):
            offset += len(raw) + 1
            yield _new(Line, (raw, _new(Position, (seq, offset, raw[-14:-2].decode()))))

    def parts(self, most: int) -> Iterator[Run]:
        """Yield the same lines in runs of at most `most`."""
        part = Run(self.after, (), self.after)
        for start in range(0, len(self.raws), most):
            raws = self.raws[start : start + most]
            part = Run(part.end, raws, _end_of(part.end, raws, self.first_seq + start + len(raws) - 1))
            yield part

    def up_to(self, seq: int) -> Run:
        """Cut the lines after `seq`, which is one of its numbers, off the run."""
        if seq == self.end.seq:
            return self
        kept = self.raws[: seq - self.first_seq + 1]
        return Run(self.after, kept, _end_of(self.after, kept, seq))


_new = tuple.__new__  # of a NamedTuple, for each message: half the cost of calling it
_last_second = (-1, "")


def utc_now() -> str:
    """Write the time now as `at` has it (UTC). For people only: nothing decides by it."""
    global _last_second
    second, rest = divmod(time.time_ns(), 1_000_000_000)
    known, text = _last_second
    if second != known:
        text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _last_second = (second, text)
    return "%s.%06dZ" % (text, rest // 1000)  # noqa: UP031 - for each line: two thirds of the cost


def link(previous: str, body: bytes) -> str:
    """Make the hash that follows `previous` over `body`, the line's bytes before `,"h":`."""
    return sha256(previous.encode() + body).hexdigest()[:12]


def chained(
    previous: Position, fields: Mapping[str, Any], encode: Callable[[object], bytes] = codec.encode
) -> Line:
    """Make the line with `fields` (its `seq` among them, first) that follows `previous`."""
    body = encode(fields)[:-1]
    h = sha256(previous.h.encode() + body).hexdigest()[:12]  # `link`, for each message
    raw = b"".join((body, _OPENING, h.encode(), _CLOSING))
    end = _new(Position, (fields["seq"], previous.offset + len(raw) + 1, h))
    return _new(Line, (raw, end))


def verified(previous: Position, raw: bytes) -> Line | None:
    """Take `raw` for the line that follows `previous`, or None if it is not. `seq` must be higher."""
    h = sha256(previous.h.encode() + raw[: 1 - TAIL_BYTES]).hexdigest()[:12]
    if not raw.endswith(b',"h":"%b"}' % h.encode()):
        return None
    seq = _seq_of(raw)
    if seq is None or seq <= previous.seq:
        return None
    return Line(raw, Position(seq, previous.offset + len(raw) + 1, h))


def run_of(previous: Position, raws: Sequence[bytes], start: int = 0) -> Run | None:
    """Find the longest run of `raws` from `start` on that follows `previous`; None if the first does not.

    The same test as `verified`, many lines at once: what is read in bulk is read at a fourth of the time.
    """
    key, seq, place = previous.h.encode(), previous.seq, start
    while some := raws[place : place + _AT_ONCE]:
        is_whole = len(some) > 1 and _follow(key, seq + 1, some)
        count = len(some) if is_whole else _count_following(key, seq + 1, some)
        seq, place = seq + count, place + count
        if count < len(some):
            break
        key = some[-1][-14:-2]
    count = min(place - start, _LAST_SEQ - previous.seq)
    if count > 0:
        kept = raws if count == len(raws) else raws[start : start + count]
        return Run(previous, kept, _end_of(previous, kept, previous.seq + count))
    line = verified(previous, raws[start])  # a number may be left out: in mail
    return Run(previous, [line.raw], line.end) if line is not None else None


def _follow(key: bytes, seq: int, raws: Sequence[bytes]) -> bool:
    """Say whether all of `raws` follow each other, the first with `seq` what has the hash `key`.

    Each hash is made with the one that the line before carries: if all are right, so was each of these.
    Pieces of one length are compared as one: a line that is too short makes the whole too short.
    """
    keys = [key, *[raw[-14:-2] for raw in raws]]
    hashes = [sha256(key + raw[: 1 - TAIL_BYTES]).hexdigest() for key, raw in zip(keys, raws, strict=False)]
    if (_TAIL * len(raws) % tuple(hashes)).encode() != b"".join([raw[1 - TAIL_BYTES :] for raw in raws]):
        return False
    length = len(_HEAD % seq)
    if length != len(_HEAD % (seq + len(raws) - 1)):
        return all(raw.startswith(_HEAD % number) for number, raw in enumerate(raws, seq))
    heads = _HEAD * len(raws) % tuple(range(seq, seq + len(raws)))
    return heads == b"".join([raw[:length] for raw in raws])


def _count_following(key: bytes, seq: int, raws: Sequence[bytes]) -> int:
    """Count how many of `raws` follow each other, the first with `seq` what has the hash `key`."""
    for count, raw in enumerate(raws):
        h = sha256(key + raw[: 1 - TAIL_BYTES]).hexdigest()[:12].encode()
        if not raw.endswith(b',"h":"' + h + b'"}') or not raw.startswith(_HEAD % (seq + count)):
            return count
        key = h
    return len(raws)


def _end_of(after: Position, raws: Sequence[bytes], seq: int) -> Position:
    return Position(seq, after.offset + sum(map(len, raws)) + len(raws), _h_of(raws[-1]))


def _h_of(raw: bytes) -> str:
    """Take the hash in a line that is known to be whole."""
    return raw[-14:-2].decode()


def claimed_end(raw: bytes, offset: int) -> Position | None:
    """Read the position after `raw`, a line that ends at `offset`, by its own word; None if it says none."""
    seq, (_, opening, h) = _seq_of(raw), raw.removesuffix(_CLOSING).rpartition(_OPENING)
    if seq is None or not opening or not raw.endswith(_CLOSING):
        return None
    return Position(seq, offset, h.decode("ascii", "replace"))


def synced_claim(raw: bytes) -> int:
    """Read the highest `seq` that a line of an uncertain file says was durable; 0 if it says nothing."""
    try:
        claim = codec.decode_object(raw).get("synced", 0)
    except codec.NotJson:
        return 0
    return claim if isinstance(claim, int) else 0


def anchor(h: str) -> bytes:
    """Make the last bytes of the line whose hash is `h`, line feed included."""
    return b',"h":"%b"}\n' % h.encode()


def _seq_of(raw: bytes) -> int | None:
    if not raw.startswith(b'{"seq":'):
        return None
    digits = raw[7 : raw.find(b",", 7)]
    return int(digits) if digits.isdigit() and len(digits) <= LONGEST_SEQ_DIGITS else None
