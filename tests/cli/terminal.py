"""A command in a terminal of its own, for tests: what it shows is waited for, keys are typed."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from ready import is_ready

PATIENCE_S = 150.0
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """`maos-sup` with words, its three streams in one terminal."""

    def __init__(self, *words: str, cwd: Path, **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        self.seen = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "maos_sup", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=cwd,
            env={**os.environ, "TERM": "xterm", **environment},
            start_new_session=True,
        )
        os.close(theirs)

    @property
    def text(self) -> str:
        """Give what was shown so far, without colours."""
        return _COLOURS.sub("", self.seen)

    def wait_for(self, text: str, *, times: int = 1) -> None:
        """Wait until `text` was shown that often."""
        end_s = time.monotonic() + PATIENCE_S
        while self.text.count(text) < times:
            assert time.monotonic() < end_s, f"waited in vain for {text!r}; shown:\n{self.text}"
            assert self._read() or self.text.count(text) >= times, f"ended without {text!r}:\n{self.text}"

    def type(self, text: str, *, end: str = "\n") -> None:
        """Type a line."""
        os.write(self._ours, (text + end).encode())

    def interrupt(self) -> None:
        """Ctrl+C."""
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Read on to the end; the exit code."""
        end_s = time.monotonic() + PATIENCE_S
        while self._read():
            assert time.monotonic() < end_s, f"does not end; shown:\n{self.text}"
        return self.process.wait(PATIENCE_S)

    def _read(self) -> bool:
        """Take what comes next; False once nothing will."""
        if not is_ready(self._ours, 1.0):
            return self.process.poll() is None
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # the other side is closed
            return False
        self.seen += data.decode("utf-8", "replace")
        return bool(data)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
