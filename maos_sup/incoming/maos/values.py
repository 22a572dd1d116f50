"""Single values of a MAOS database: JSON in text columns, and two ways to write a time. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Any

from maos_sup.incoming.maos.database import Row
from state_layout.files import codec


def text_of(row: Row, column: str) -> str:
    """Take the text in `column`; empty where there is none."""
    value = row.get(column)
    return "" if value is None else value if isinstance(value, str) else str(value)


def number_of(row: Row, column: str) -> float:
    """Take the number in `column`; 0 where there is none."""
    value = row.get(column)
    return float(value) if isinstance(value, int | float) and abs(value) < 1e12 else 0.0


def json_of(row: Row, column: str) -> Any:
    """Read the JSON in `column`; None where there is none, or none that can be read."""
    value = row.get(column)
    try:
        return codec.decode(value.encode()) if isinstance(value, str) and value else None
    except (codec.NotJson, UnicodeEncodeError):
        return None


def is_unreadable(row: Row, column: str) -> bool:
    """There is something in `column` that should be JSON and is not."""
    value = row.get(column)
    return value not in (None, "", "null") and json_of(row, column) is None


def words_in(value: Any) -> list[str]:
    """The texts in a list that may be none."""
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def time_of(value: object, zone: tzinfo | None = None) -> datetime | None:
    """The time that `value` tells, None if it tells none.

    SQLite's own clock writes UTC with a space in the middle. Python's wrote local time with a T: it is read
    as of `zone`, or of this machine.
    """
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d[ T]\d\d:", value):
        return None
    try:
        told = datetime.fromisoformat(value)
    except ValueError:
        return None
    if told.tzinfo is None:
        told = told.replace(tzinfo=zone if "T" in value else UTC)
    try:
        return told.astimezone(UTC)
    except (OverflowError, OSError, ValueError):  # the year 1, local
        return None


def at_of(when: datetime) -> str:
    """Write `when` as lines of ours tell it."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
