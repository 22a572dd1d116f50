"""The supervisor's end of a zygote: starts it, talks to it, never waits for it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from state_layout.files import codec
from state_layout.host.marks import MARK_VARIABLE, blank_mark

MESSAGE_BYTES = 1 << 16
MOST_DESCRIPTORS = 200  # in one message; the kernel's limit is 253
SOURCE = Path(__file__).resolve().parents[2]
# -P: the current folder must not shadow modules. SOURCE serves a checkout that is not installed.
_BOOT = "import sys; sys.path.append(sys.argv.pop()); from {1} import {0}; {0}()"
_ZYGOTE = "maos_sup.launchers.zygote"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZygoteNews:
    """The news is a message of the zygote with the descriptors that came along, the receiver's to close."""

    message: dict[str, Any]
    descriptors: list[int]


def python(function: str, *arguments: str, module: str = _ZYGOTE) -> list[str]:
    """Make the command that runs `function` of `module` in a new interpreter."""
    return [sys.executable, "-P", "-c", _BOOT.format(function, module), *arguments, str(SOURCE)]


def environment() -> dict[str, str]:
    """Give our environment, with room for a mark."""
    return {**os.environ, MARK_VARIABLE: blank_mark()}


class ZygoteLink:
    """A link leads to one zygote. `fileno()` is readable when it says something or has ended."""

    def __init__(self, entry: str, *, log: int) -> None:
        """Start it; what it writes, and its agents until they redirect it, goes to `log`. Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                python("main", entry, str(theirs.fileno())),
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        ours.setblocking(False)
        self._socket, self._queue = ours, deque[bytes]()
        self.was_ready = False

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_behind(self) -> bool:
        """Requests wait because the zygote does not take them."""
        return bool(self._queue)

    def fileno(self) -> int:
        return self._socket.fileno()

    def write_to(self, log: int) -> None:
        """Have it write to `log` from now on, as its agents will, if that can be told."""
        with suppress(OSError):
            socket.send_fds(self._socket, [codec.encode({"log": True})], [log])

    def send(self, request: dict[str, Any]) -> None:
        """Ask; what it does not take yet is sent by `flush`."""
        self._queue.append(codec.encode(request))
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as it is taken. Its death is noticed by `hear`."""
        with suppress(BlockingIOError, ConnectionError):
            while self._queue:
                self._socket.send(self._queue[0])
                self._queue.popleft()

    def hear(self) -> tuple[list[ZygoteNews], bool]:
        """All it said since, and whether it has ended."""
        heard: list[ZygoteNews] = []
        try:
            while data := (packet := self._receive())[0]:
                heard.append(ZygoteNews(message=codec.decode_object(data), descriptors=packet[1]))
                self.was_ready = True
        except BlockingIOError:
            return heard, False
        except ConnectionError:
            return heard, True
        return heard, True

    def _receive(self) -> tuple[bytes, list[int]]:
        flags = socket.MSG_CMSG_CLOEXEC
        data, descriptors, _, _ = socket.recv_fds(self._socket, MESSAGE_BYTES, MOST_DESCRIPTORS, flags)
        return data, descriptors

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def close(self) -> None:
        """Let it go; it ends by itself. Waits a moment for that."""
        self._socket.close()
        try:
            self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:  # stopped, or stuck: it holds nothing that is needed
            self._process.kill()
            self._process.wait()
