"""Says which spans a collector has taken: in a file, so that who comes after a crash sends hardly anything
twice.

What is lost with the file, or between the collector's word and the line in it, is sent again: the same span.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from state_layout.errors import storage_error
from state_layout.files import atomic
from state_layout.files.reading import read_record

_is_key = re.compile(r"[0-9a-f]{16}(?:-|@\d+\.\d{6})?").fullmatch


class SentSpans:
    """The object is a set of keys; kept in `path`, where one is given, a line each. Raises StorageError."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._keys = set[str]()
        try:
            told = b"" if path is None else read_record(path)
        except FileNotFoundError:
            told = b""
        except OSError as cause:
            raise storage_error("read", path or Path(), cause) from cause
        self._keys.update(key for key in told.decode("ascii", "replace").split("\n") if _is_key(key))

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def add(self, keys: Iterable[str]) -> None:
        """Note `keys`: appended, not durable. The first line feed closes what a dying process left."""
        new = [key for key in keys if key not in self._keys]
        self._keys.update(new)
        if self._path is None or not new:
            return
        try:
            with atomic.opened(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as descriptor:
                atomic.write_all(descriptor, ("\n" + "\n".join(new) + "\n").encode())
        except OSError as cause:
            raise storage_error("write", self._path, cause) from cause
