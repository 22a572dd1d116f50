"""stderr that never fails: where the log lies on a full disk, what is said is lost, not who says it.

For processes that work on; the command line reports what it cannot print.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

_STDERR = 2


class _Forgiving(io.FileIO):
    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return len(data)


def forgive_stderr() -> None:
    """From now on nothing that this process says on stderr can fail, whatever descriptor 2 becomes."""
    sys.stderr = _forgiving()


@contextmanager
def forgiving_stderr() -> Iterator[None]:
    """Forgive what is said on stderr until the block ends."""
    before, sys.stderr = sys.stderr, _forgiving()
    try:
        yield
    finally:
        sys.stderr = before


def _forgiving() -> TextIO:
    raw = _Forgiving(_STDERR, "wb", closefd=False)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)
