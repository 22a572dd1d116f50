"""Rows of databases that answer SQL: of a line, found by looking, without decoding it; of a cursor."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from maos_sup.mirrors.mirror import Cursor, Lines, Sort
from state_layout.files.chain import Position

CursorRow = tuple[str, str, int, int, str, int | None, bool]

_AT_AND_TYPE = re.compile(rb'"at":"([^"\\\0]*)".*?"type":"([^"\\\0]*)"')


def rows_of(lines: Lines) -> Iterator[tuple[int, str | None, str | None, bytes]]:
    """Each line as `seq`, `at`, `type` (None where it does not say) and its bytes without the line feed."""
    types: dict[bytes, str] = {}
    search = _AT_AND_TYPE.search
    for run in lines.runs:
        for seq, raw in enumerate(run.raws, run.first_seq):
            found = search(raw)
            if found is None:
                yield seq, None, None, raw
                continue
            at, type_ = found.groups()
            known = types.get(type_)
            if known is None:
                known = types[type_] = type_.decode("utf-8", "replace")
            yield seq, at.decode("utf-8", "replace"), known, raw


def cursor_of(rows: Iterable[CursorRow]) -> Cursor:
    """Make the cursor that rows of files tell: path, sort, seq, offset, h, up to where it counts, is it
    gone."""
    found = Cursor()
    for path, sort, seq, offset, h, counted, is_gone in rows:
        if sort == Sort.LINES:
            found.lines[path] = Position(seq, offset, h)
        elif sort == Sort.PIECES:
            found.pieces[path] = (offset, h)
        else:
            found.contents[path] = h
        if counted is not None:
            found.counted[path] = counted
        if is_gone:
            found.gone.add(path)
    return found
