"""A command in a terminal of a given size, whose screen is what a terminal emulator makes of it."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import pyte
from ready import is_ready

PATIENCE_S = 150.0


class _Screen(pyte.Screen):
    """A screen that passes over private forms of a sequence, which pyte hands on."""

    def select_graphic_rendition(self, *attributes: int, private: bool = False) -> None:
        if not private:
            super().select_graphic_rendition(*attributes)


class Pane:
    """`maos-sup` with words in a terminal of `columns` x `rows`; `bytes_a_look` makes it a slow one."""

    def __init__(
        self, *words: str, cwd: Path, columns: int = 80, rows: int = 24, bytes_a_look: int = 65536, **env: str
    ) -> None:
        self._ours, theirs = pty.openpty()
        self._most = bytes_a_look
        self.screen = _Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._set_size(theirs, columns, rows)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "maos_sup", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=cwd,
            env={**os.environ, "TERM": "xterm-256color", **env},
            start_new_session=True,
        )
        os.close(theirs)

    @property
    def text(self) -> str:
        """Give what stands on the screen now."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait_for(self, *texts: str) -> str:
        """Wait until all of `texts` stand on the screen; what stands there."""
        return self.wait_until(lambda: all(text in self.text for text in texts), f"{texts}")

    def wait_until(self, condition: Callable[[], bool], what: str) -> str:
        """Read on until `condition` holds."""
        end_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end_s, f"waited in vain for {what}; shown:\n{self.text}"
            is_there = self._read()
            assert is_there or condition(), f"ended without {what}; shown:\n{self.text}"
        return self.text

    def type(self, keys: str) -> None:
        """Type keys; "\\r" is Enter, "\\x03" Ctrl+C."""
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Make the terminal another size."""
        self.screen.resize(rows, columns)
        self._set_size(self._ours, columns, rows)
        os.killpg(self.process.pid, signal.SIGWINCH)

    def end(self) -> int:
        """Read on to the end; the exit code."""
        end_s = time.monotonic() + PATIENCE_S
        while self._read():
            assert time.monotonic() < end_s, f"does not end; shown:\n{self.text}"
        return self.process.wait(PATIENCE_S)

    def _set_size(self, descriptor: int, columns: int, rows: int) -> None:
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self) -> bool:
        if not is_ready(self._ours, 0.5):
            return self.process.poll() is None
        try:
            data = os.read(self._ours, self._most)
        except OSError:
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)

    def __enter__(self) -> Pane:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
