"""What a database keeps of a line beside its bytes: found by looking, without decoding it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from maos_sup.mirrors.mirror import Lines

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
