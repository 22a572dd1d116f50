"""Says what a program says on stderr that a person should know, as warnings of its agent.

Programs go on without what they refuse (settings, helpers) and say so on stderr only, where nobody looks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from maos_sup.agents.kinds.shared.record import ProgramRecord
from state_layout.files.reading import opened_record

_MOST_BYTES = 1 << 20  # that are looked at in one look
_MOST_CHARS = 500


class Complaints:
    """Looks through what is appended to the file `stderr` for lines that begin as one of `patterns` says."""

    def __init__(self, record: ProgramRecord, stderr: Path, patterns: Sequence[str], *, program: str) -> None:
        self._record, self._stderr, self._program = record, stderr, program
        self._pattern = re.compile("|".join(f"(?:{each})" for each in patterns)) if patterns else None
        self._offset = self._size()

    def look(self) -> None:
        """Report each such line that came since, once in this life. Raises StorageError."""
        if self._pattern is None or self._size() <= self._offset:
            return
        with opened_record(self._stderr) as file:
            file.seek(self._offset)
            data = file.read(_MOST_BYTES)
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.decode("utf-8", "replace").splitlines():
            if self._pattern.match(line):
                self._record.warn_once(f"{self._program} says: {line[:_MOST_CHARS]}")

    def _size(self) -> int:
        try:
            return self._stderr.stat().st_size
        except OSError:
            return 0
