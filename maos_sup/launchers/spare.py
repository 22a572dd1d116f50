"""Keeps a spare process: forked ahead, it is the next agent, so that a restart does not wait for a fork.

A third of the start of an agent is copying pages of the zygote's memory on which it counts something. A spare
has copied what an agent that lives has copied, and sleeps until it is told whom to be. It ends with the
zygote: nobody else has the other end of its pipe.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, cast

from maos_sup.system import linux
from maos_sup.system.paging import copy_pages_like
from state_layout.files import codec

if TYPE_CHECKING:
    from maos_sup.launchers.requests import ForkRequest

_AFTER_ONE_S, _AFTER_MANY_S = 0.02, 0.5  # of quiet, in which who was started comes up
_READ_BYTES = 1 << 16


class Spare:
    """Keeps the spare process of one zygote, or none. `be` is an agent, by the request for it, to its end."""

    def __init__(self, be: Callable[[ForkRequest], NoReturn]) -> None:
        self._be = be
        self._child: tuple[int, int] | None = None  # its pid, and where it is told whom to be
        self._due_s = 0.0  # when to fork one, monotonic

    def until_ms(self) -> float | None:
        """Say in how many milliseconds to `make` one; None: there is one."""
        return None if self._child is not None else 1000 * max(0.0, self._due_s - time.monotonic())

    def wait_for(self, started: int) -> None:
        """Wait with the next one: so many agents were started just now, which need the processors."""
        self._due_s = time.monotonic() + (_AFTER_ONE_S if started < 2 else _AFTER_MANY_S)

    def make(self, *, like: int, shed: Callable[[int], None]) -> None:
        """Fork one that copies what the agent `like` has; `shed` leaves the zygote but a descriptor."""
        self.wait_for(2)  # should it not succeed
        with suppress(OSError):
            orders, order = os.pipe2(os.O_CLOEXEC)
            try:
                gc.freeze()
                pid = os.fork()
                if pid == 0:
                    os.close(order)
                    self._wait(orders, like=like, shed=shed)
                self._child = pid, order
            except OSError:
                os.close(order)
            finally:
                os.close(orders)

    def take(self) -> tuple[int, int] | None:
        """Hand it over: its pid, and where to write the request, which the caller closes."""
        child, self._child = self._child, None
        if child is not None and os.waitid(os.P_PID, child[0], os.WEXITED | os.WNOHANG | os.WNOWAIT):
            os.close(child[1])
            return None  # it was killed just now
        return child

    def is_dead(self, pid: int) -> None:
        """The child `pid` of the zygote has ended: take note if it was this one."""
        if self._child is not None and self._child[0] == pid:
            os.close(self._child[1])
            self._child = None
            self.wait_for(2)

    def drop(self) -> None:
        """End it."""
        if (child := self.take()) is not None:
            pid, order = child
            os.close(order)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def _wait(self, orders: int, *, like: int, shed: Callable[[int], None]) -> NoReturn:
        try:
            os.setsid()
            shed(orders)
            linux.set_title("maos-sup spare")
            copy_pages_like(like)
            told = b"".join(iter(lambda: os.read(orders, _READ_BYTES), b""))
            os.close(orders)
            if told:
                self._be(cast("ForkRequest", codec.decode_object(told)))
        finally:  # never back into the zygote's stack
            os._exit(0)
