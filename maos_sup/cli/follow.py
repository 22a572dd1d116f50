"""Attaches a view to an orchestration until it comes to rest. Ctrl+C pauses it, a second one stops it.

The view is only a view: whoever kills it or closes its terminal changes nothing but what is shown.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import FrameType
from typing import Any, Protocol

from maos_sup.cli import edge
from maos_sup.cli.places import word_of
from maos_sup.cli.says import say, say_aside
from maos_sup.steering.starting import Started, start_supervisor
from maos_sup.steering.wanting import prompt, want_of_all
from maos_sup.views.events import counted
from maos_sup.views.mailbox import Mailbox
from maos_sup.views.plain import PlainView
from maos_sup.views.status import Watcher, is_settled
from maos_sup.views.summary import saved_line, summary_lines
from state_layout.errors import LayoutError
from state_layout.paths import Tree
from state_layout.records import Phase, Want

LOOK_S = 0.2
_ORPHANED_S = 1.5  # nobody at work for so long: a supervisor that died is replaced
_STOP_PATIENCE_S = 15.0


class View(Protocol):
    """Shows an orchestration while it runs."""

    def show(self, status: dict[str, Any], discoveries: list[dict[str, Any]]) -> None:
        """Show the newest status and discoveries."""

    def say(self, text: str) -> None:
        """Show one line."""

    def close(self) -> None:
        """Leave the terminal as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How to follow."""

    pauses: bool  # Ctrl+C pauses; otherwise it only detaches
    starts: bool = False  # see to it that a supervisor lives
    aside: bool = False  # events go to stderr: stdout is for JSON


def follow(tree: Tree, manner: Manner) -> int:
    """Show `tree` until it settles, pauses or is left; the exit code.

    Where `manner` says so a supervisor is started first; Ctrl+C counts from then on.
    """
    follower = _Follower(tree, manner)
    before = signal.signal(signal.SIGINT, follower.interrupt)
    try:
        return follower.run()
    finally:
        signal.signal(signal.SIGINT, before)
        follower.close()


def exit_code_of(status: dict[str, Any]) -> int:
    """3 if some task failed, else 0."""
    return edge.TASK_FAILED if status["phase"] == Phase.FAILED else edge.OK


class _Follower:
    def __init__(self, tree: Tree, manner: Manner) -> None:
        self._tree, self._manner, self._started = tree, manner, Started(None)
        self._watcher, self._news, self._view = Watcher(tree), Mailbox(tree, to="all"), _view(manner)
        self._begun_s = time.monotonic()
        self._is_timed = False  # it was begun here: who comes later cannot tell how long it took
        self._interrupts, self._obeyed = 0, 0
        self._woken = threading.Event()
        self._alone_since_s: float | None = None
        self._give_up_s = float("inf")

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Ctrl+C was typed; the loop acts on it."""
        self._interrupts += 1
        self._woken.set()

    def close(self) -> None:
        self._view.close()
        self._started.let_go()

    def run(self) -> int:
        if self._manner.starts:
            before = self._watcher.status()
            self._is_timed = not is_settled(before) and not before["supervisor"]["alive"]
            self._started = start_supervisor(self._tree)
            prompt(self._tree)
        while True:
            begun_s = time.thread_time()
            status = self._watcher.status()
            self._view.show(status, self._news.read())
            end = self._end(status)
            if end is not None:
                return end(status)
            self._woken.wait(max(LOOK_S, 8 * (time.thread_time() - begun_s)))
            self._woken.clear()

    def _end(self, status: dict[str, Any]) -> Callable[[dict[str, Any]], int] | None:
        """What to do last, if this is the end."""
        if self._interrupts > self._obeyed:
            self._obeyed = self._interrupts
            if not self._manner.pauses:
                return self._detached
            self._obey()
            return None
        if time.monotonic() > self._give_up_s:
            return self._left_stopping
        if (
            self._obeyed
            and not status["counts"]["alive"]
            and status["phase"] in (Phase.PAUSED, Phase.STOPPED)
        ):
            return self._saved
        if is_settled(status) and not status["supervisor"]["alive"]:
            return self._settled
        self._mind_orphans(status)
        return None

    def _obey(self) -> None:
        """First pause, then stop; more is no different."""
        first = self._obeyed == 1
        want_of_all(self._tree, Want.PAUSE if first else Want.STOP)
        if first:
            self._view.say("pausing: agents stop at a safe point; Ctrl+C again stops them at once")
        else:
            self._give_up_s = min(self._give_up_s, time.monotonic() + _STOP_PATIENCE_S)
            self._view.say("stopping")

    def _mind_orphans(self, status: dict[str, Any]) -> None:
        """Start another supervisor where the last one died and no agent is left to do so."""
        if status["phase"] != Phase.INTERRUPTED or not self._manner.starts:
            self._alone_since_s = None
            return
        now_s = time.monotonic()
        self._alone_since_s = self._alone_since_s or now_s
        if now_s - self._alone_since_s < _ORPHANED_S:
            return
        code = self._started.exit_code
        if code is not None and code > 0 and code not in (edge.TASK_FAILED, edge.LOCKED):
            raise LayoutError(f"the supervisor ended with exit code {code}; see {self._tree.supervisor_log}")
        self._view.say("the supervisor died; starting another")
        self._started = start_supervisor(self._tree)
        self._alone_since_s = None

    def _settled(self, status: dict[str, Any]) -> int:
        self._view.close()
        took_s = time.monotonic() - self._begun_s if self._is_timed else None
        self._tell("\n".join(summary_lines(status, name=word_of(self._tree), took_s=took_s)))
        return exit_code_of(status)

    def _saved(self, status: dict[str, Any]) -> int:
        self._view.close()
        self._tell(saved_line(status, name=word_of(self._tree)))
        return edge.INTERRUPTED

    def _left_stopping(self, status: dict[str, Any]) -> int:
        self._view.close()
        saved = saved_line(status, name=word_of(self._tree))
        self._tell(f"still stopping: {counted(status['counts']['alive'], 'agent')}; {saved}")
        return edge.INTERRUPTED

    def _detached(self, status: dict[str, Any]) -> int:
        self._view.close()
        self._tell(f"it goes on without this view; watch again with: maos-sup attach {word_of(self._tree)}")
        return edge.OK

    def _tell(self, text: str) -> None:
        (say_aside if self._manner.aside else say)(text)


def _view(manner: Manner) -> View:
    """A live view in a terminal, plain lines elsewhere."""
    if not manner.aside and sys.stdout.isatty() and os.environ.get("TERM") not in (None, "", "dumb"):
        from maos_sup.views.live import LiveView

        return LiveView()
    return PlainView(
        say_aside if manner.aside else say, clock=lambda: datetime.now().astimezone().strftime("%H:%M:%S")
    )
