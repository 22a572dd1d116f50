"""Says which attempts or lives there are: the folders that bear a number, whatever else lies beside them."""

from __future__ import annotations

import os
from pathlib import Path

from state_layout.paths import number_name

_MOST_DIGITS = 9


def numbers_in(folder: Path) -> list[int]:
    """List the numbers that names in `folder` are, lowest first; none if it is not there. Raises OSError.

    Only names as they are written here count: `0003`, not `3`, `+3` or digits of other scripts.
    """
    try:
        names = os.listdir(folder)  # noqa: PTH208 - names are all we want, a Path each costs more
    except FileNotFoundError:
        return []
    numbers = (int(name) for name in names if name.isascii() and name.isdigit() and len(name) <= _MOST_DIGITS)
    there = set(names)
    return sorted(number for number in numbers if number > 0 and number_name(number) in there)


def last_number(folder: Path) -> int:
    """Find the highest number in `folder`; 0 if there is none, or if the folder cannot be read."""
    return max(readable_numbers(folder), default=0)


def readable_numbers(folder: Path) -> list[int]:
    """List the numbers in `folder`, lowest first; none if the folder cannot be read."""
    try:
        return numbers_in(folder)
    except OSError:
        return []
