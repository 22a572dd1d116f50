"""Says when a tree was made, as far as its files tell: who lists trees and who says how old one is ask
here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from state_layout.paths import Tree

_ID_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)-")
_SLOWEST_S = 120.0  # from the time in an id to the first file of its tree


def made_s(tree: Tree, id_: str) -> float | None:
    """Tell when the orchestration `id_` was made, in seconds since the epoch; None where no file tells.

    That is the time of `FORMAT`, unless the id says that this is a later copy.
    """
    try:
        written_s = tree.format.stat().st_mtime
    except OSError:
        written_s = 0.0
    named_s = _time_in(id_)
    if named_s is None:
        return written_s or None
    return written_s if named_s <= written_s < named_s + _SLOWEST_S else named_s


def _time_in(id_: str) -> float | None:
    """Read the time that an id begins with, as seconds since the epoch. (`strptime` costs 4 ms to import.)"""
    found = _ID_TIME.match(id_)
    if found is None:
        return None
    year, month, day, hour, minute = map(int, found.groups())
    try:
        return datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()
    except ValueError:
        return None
