"""Says what makes the supervisor look sooner: exits, triggers, signals, changes in `spec/`.

All of these are hints; the tick alone would do, and a system that refuses to watch costs latency only.
"""

from __future__ import annotations

import os
import selectors
import signal
from contextlib import suppress

from maos_sup.system.folders import watch_folders
from maos_sup.system.pipes import quiet_pipe
from state_layout.errors import StorageError
from state_layout.host.triggers import Heard, TriggerReader
from state_layout.paths import Tree


class Wake:
    """Sleeps until something may have changed."""

    def __init__(self, tree: Tree) -> None:
        self._selector = selectors.DefaultSelector()
        self._read_end, self._write_end = quiet_pipe()
        self._selector.register(self._read_end, selectors.EVENT_READ)
        self._folders = watch_folders([tree.spec, tree.agent_specs, tree.task_specs, tree.approvals])
        if self._folders.fileno() >= 0:
            self._selector.register(self._folders.fileno(), selectors.EVENT_READ)
        self._tree, self._trigger = tree, _trigger_of(tree)
        if self._trigger is not None:
            self.listen(self._trigger.fileno())
        self.signalled = False
        self.hinted = True  # something in `spec/` may have changed; whoever looks takes it back

    @property
    def is_watching(self) -> bool:
        """The system tells of changes in `spec/`."""
        return self._folders.fileno() >= 0

    @property
    def is_deaf(self) -> bool:
        """There is no trigger that agents and commands could pull."""
        return self._trigger is None

    def heard(self) -> Heard:
        """Take what the trigger said since the last time."""
        return Heard() if self._trigger is None else self._trigger.heard()

    def mend(self) -> None:
        """Be heard again where the trigger was removed, or could not be made."""
        if self._trigger is None:
            self._trigger = _trigger_of(self._tree)
            if self._trigger is not None:
                self.listen(self._trigger.fileno())
            return
        before = self._trigger.fileno()
        if self._trigger.mend():
            self._selector.unregister(before)
            self.listen(self._trigger.fileno())

    def listen(self, descriptor: int) -> None:
        """Wake when `descriptor` is readable. Whoever owns it drains it."""
        self._selector.register(descriptor, selectors.EVENT_READ)

    def catch_signals(self) -> None:
        """Catch TERM and INT from now on: they set `signalled` and wake, instead of ending the process."""
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)

    def sleep(self, longest_s: float) -> bool:
        """Wait for a hint, at most `longest_s`; whether one came. A burst of hints is taken as one."""
        was_woken = bool(self._selector.select(max(0.0, longest_s)))
        if was_woken:
            self._drain()
        return was_woken

    def close(self) -> None:
        """Stop watching."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        self._folders.close()
        if self._trigger is not None:
            self._trigger.close()
        os.close(self._read_end)
        os.close(self._write_end)

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._read_end, 1 << 16)  # more than the pipe holds
        self.hinted = self._folders.drain() or self.hinted

    def _signalled(self, number: int, frame: object) -> None:
        self.signalled = True


def _trigger_of(tree: Tree) -> TriggerReader | None:
    """Make the supervisor's trigger; None where that cannot be: no runtime folder, a full one, another's."""
    try:
        return TriggerReader(tree, "supervisor")
    except StorageError:
        return None
