"""Says what happened to the first bad line of a chained file:
torn, zero-filled, edited, inserted, lines removed.

The chain tells: a line that was edited still carries the hash that its successor continues from; a line that
was inserted leaves the one after it fitting the one before; what a crash tore carries no hash at all.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from state_layout.check.problem import Finding
from state_layout.files import codec
from state_layout.files.chain import TAIL_BYTES, Position, link, verified

LONGEST_LINE_BYTES = 1 << 26
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstBadLine:
    """A first bad line is described in a word and in a sentence. `by_hand`: no crash does this."""

    finding: Finding
    what: str

    @property
    def by_hand(self) -> bool:
        return self.finding not in (Finding.TORN, Finding.ZEROS, Finding.CORRUPT)


def examine(path: Path, previous: Position) -> FirstBadLine:
    """Say what the line after `previous` in `path` is. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        bad, offset = _line(descriptor, previous.offset)
        following = _line(descriptor, offset)[0] if offset is not None else None
    finally:
        os.close(descriptor)
    return diagnose(previous, bad, following if offset is not None else None)


def diagnose(previous: Position, bad: bytes, following: bytes | None) -> FirstBadLine:
    """Say what `bad` is, which should follow `previous`; `following` is None where `bad` has no line feed."""
    if b"\0" in bad:
        return FirstBadLine(
            finding=Finding.ZEROS, what="is filled with zeros where a line belongs (a power cut?)"
        )
    if following is None:
        return FirstBadLine(finding=Finding.TORN, what="breaks off: its writer died while writing it")
    if bad.endswith(b"}\r"):
        what = "ends in CR LF: an editor or a transfer changed the line ends"
        return FirstBadLine(finding=Finding.LINE_ENDS, what=what)
    is_followed = verified(previous, following) is not None
    if is_followed and _goes_on(following, bad):
        return FirstBadLine(finding=Finding.EDITED, what="was moved here from behind the next line")
    if is_followed or not (bad.strip() or following):
        return FirstBadLine(finding=Finding.INSERTED, what=f"was inserted: {_shown(bad)}")
    fields = _fields(bad)
    if fields is None:
        return _not_json(bad, following)
    return _edited(previous, bad, fields)


def _not_json(bad: bytes, following: bytes) -> FirstBadLine:
    if _goes_on(bad, following):
        return FirstBadLine(
            finding=Finding.EDITED, what=f"is no JSON any more, edited by hand: {_shown(bad)}"
        )
    return FirstBadLine(finding=Finding.CORRUPT, what=f"is no line of this file: {_shown(bad)}")


def _edited(previous: Position, bad: bytes, fields: dict[str, object]) -> FirstBadLine:
    if _tail(bad) is None:
        what = "was not written by this file's writer (it has no hash 'h' last)"
        return FirstBadLine(finding=Finding.EDITED, what=what)
    seq = fields.get("seq")
    if not isinstance(seq, int):
        return FirstBadLine(finding=Finding.EDITED, what="has no 'seq': edited by hand")
    if seq <= previous.seq:
        what = f"has seq {seq} after {previous.seq}: lines were moved or repeated"
        return FirstBadLine(finding=Finding.EDITED, what=what)
    if seq > previous.seq + 1:
        what = f"has seq {seq} after {previous.seq} and does not continue from it: lines are missing"
        return FirstBadLine(finding=Finding.LINES_MISSING, what=what)
    what = f"does not fit its hash: the line with seq {seq}, or the one before it, was edited by hand"
    return FirstBadLine(finding=Finding.EDITED, what=what)


def _line(descriptor: int, offset: int) -> tuple[bytes, int | None]:
    """Read the line at `offset` and where the next begins, None if it has no line feed."""
    parts, length = list[bytes](), 0
    while length < LONGEST_LINE_BYTES and (chunk := os.pread(descriptor, _CHUNK_BYTES, offset + length)):
        head, feed, _ = chunk.partition(b"\n")
        parts.append(head)
        length += len(head)
        if feed:
            return b"".join(parts), offset + length + 1
        if b"\0" in head:
            break
    return b"".join(parts), None


def _tail(raw: bytes) -> str | None:
    """Take the hash that a line carries; None if it carries none."""
    if raw[1 - TAIL_BYTES : -14] != b',"h":"' or raw[-2:] != b'"}':
        return None
    return raw[-14:-2].decode("ascii", "replace")


def _goes_on(raw: bytes, following: bytes) -> bool:
    """The line `following` continues from the hash that `raw` carries."""
    h = _tail(raw)
    return h is not None and link(h, following[: 1 - TAIL_BYTES]) == _tail(following)


def _fields(raw: bytes) -> dict[str, object] | None:
    try:
        return codec.decode_object(raw)
    except codec.NotJson:
        return None


def _shown(raw: bytes) -> str:
    text = raw[:40].decode("utf-8", "replace")
    return repr(text) + ("..." if len(raw) > 40 else "")
