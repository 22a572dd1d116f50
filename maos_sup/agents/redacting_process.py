"""The process that reads what a program writes and appends it to its files, redacted (see `redacting`).

It writes whole lines: a secret is no longer than one. A key that spans lines (PEM) is left out line by line.
It knows nothing of agents, imports little, and ends when nobody can write to it any more.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import time
from pathlib import Path

from maos_sup.agents.secrets.redaction import ControlRedactor, LineRedactor
from state_layout.paths import AttemptPaths

_CHUNK_BYTES = 1 << 16
_LONGEST_HELD_BYTES = 1 << 20  # of a line without end; what is longer goes on in pieces
_TAIL_BYTES = 1 << 13  # of such a line, held back: a secret may begin there
_ROOM_S = 0.2


class _Stream:
    """A stream is one pipe and the file that its lines go to."""

    def __init__(self, source: int, path: Path, redactor: LineRedactor | ControlRedactor) -> None:
        self.source, self._redactor = source, redactor
        self._target = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._held = b""

    def read(self) -> bool:
        """Take what is there; false at its end."""
        data = os.read(self.source, _CHUNK_BYTES)
        held = self._held + data
        cut = len(held) if not data else max(held.rfind(b"\n"), held.rfind(b"\r")) + 1
        if not cut and len(held) > _LONGEST_HELD_BYTES:
            cut = max(held.rfind(b" ", 0, len(held) - _TAIL_BYTES), 0) or len(held) - _TAIL_BYTES
        self._held = held[cut:]
        if cut:
            _write(self._target, self._redactor.lines(held[:cut]))
        return bool(data)


def _write(descriptor: int, data: bytes) -> None:
    """Append all of `data`; on a full disk wait for room: the program waits at its pipe."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            time.sleep(_ROOM_S)


def main(arguments: list[str]) -> int:
    """Be that process: folder of the life, the lock's descriptor, those of stdout, stderr and control."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    files = AttemptPaths(Path(arguments[0]))
    paths = (files.stdout, files.stderr, files.control)
    kinds: list[type[LineRedactor | ControlRedactor]] = [LineRedactor, LineRedactor, ControlRedactor]
    environment = dict(os.environ)
    streams = {
        int(source): _Stream(int(source), path, kind(environment))
        for source, path, kind in zip(arguments[2:], paths, kinds, strict=True)
    }
    poll = select.poll()
    for source in streams:
        poll.register(source, select.POLLIN)
    while streams:
        for source, _ in poll.poll():
            if not streams[source].read():
                poll.unregister(source)
                del streams[source]
                os.close(source)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
