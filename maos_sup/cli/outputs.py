"""Says what becomes of the command line's own output: nobody reads it any more, or it cannot be written.

Every command prints by way of libraries that have their own ideas of that (one ends the process, one hides
the error). So the door of the descriptor itself tells, in a word that none of them knows.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import Any


class OutputLost(Exception):
    """Standard output takes no more. `is_unread`: its reader has gone, which is no fault of anybody."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(f"the output cannot be written: {cause.strerror or cause}")
        self.is_unread = cause.errno in (errno.EPIPE, errno.ECONNRESET)


def guard_outputs() -> None:
    """From now on a lost stdout raises OutputLost, and a lost stderr loses what is said there.

    What a terminal's encoding cannot show (names of files, output of programs) is a `?` in both.
    """
    sys.stdout = _guarded(sys.stdout, _Stdout)
    sys.stderr = _guarded(sys.stderr, _Stderr)


def let_go_of_stdout() -> None:
    """Lead stdout nowhere, or the interpreter complains when it flushes what is left."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


class _Stdout(io.FileIO):
    def write(self, data: Any, /) -> int:
        """Write, waiting where another process made the descriptor one that does not wait."""
        try:
            while (written := super().write(data)) is None:
                select.select([], [self.fileno()], [], 1.0)
        except OSError as cause:
            raise OutputLost(cause) from cause
        return written


class _Stderr(io.FileIO):
    def write(self, data: Any, /) -> int:
        """Write as much as is possible; there is no place to say that it is not."""
        try:
            written = super().write(data)
        except OSError:
            written = None
        return memoryview(data).nbytes if written is None else written


def _guarded(stream: object, door: type[io.FileIO]) -> io.TextIOWrapper:
    """`stream` over a door of ours if it is one of the process's own, else as it is."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # type: ignore[return-value]  # what a test or another program put in its place
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        number = -1
    if number not in (1, 2) or isinstance(getattr(stream.buffer, "raw", None), _Stdout | _Stderr):
        stream.reconfigure(errors="replace")
        return stream
    stream.flush()
    raw = door(number, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="replace",
        line_buffering=stream.line_buffering,
    )
