"""Spells absolute paths as text that JSON can hold, also those that are no UTF-8, and reads them again."""

from __future__ import annotations

import os

_HEX = "hex:"


def spelled(path: str) -> str:
    """Spell an absolute path: as it is, or, where it is no UTF-8, as `hex:` and its bytes."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return _HEX + os.fsencode(path).hex()
    return path


def path_of(text: str) -> str:
    """Read what `spelled` gave. Raises ValueError for bytes that no path has."""
    return os.fsdecode(bytes.fromhex(text.removeprefix(_HEX))) if text.startswith(_HEX) else text
