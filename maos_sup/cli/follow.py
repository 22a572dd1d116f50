"""Attaches a view to an orchestration until it comes to rest. Ctrl+C pauses it, a second one stops it.

The view is only a view: whoever kills it or closes its terminal changes nothing but what is shown.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from maos_sup.cli import edge
from maos_sup.cli.places import word_of
from maos_sup.cli.says import say, say_aside
from maos_sup.steering.starting import Started, start_supervisor
from maos_sup.steering.wanting import prompt, want_of_all
from maos_sup.views.events import counted
from maos_sup.views.mailbox import Mailbox
from maos_sup.views.plain import PlainView
from maos_sup.views.render import terminal_width
from maos_sup.views.status import Watcher, is_settled
from maos_sup.views.summary import saved_line, summary_lines
from maos_sup.views.times import Times
from state_layout.errors import LayoutError
from state_layout.files.chain import utc_now
from state_layout.host.kernel import is_linux
from state_layout.paths import Tree
from state_layout.records import Phase, Want

if TYPE_CHECKING:
    from maos_sup.views.shapes import MessageShown, Status

LOOK_S = 0.2
_ORPHANED_S = 1.5  # nobody at work for so long: a supervisor that died is replaced
_STOP_PATIENCE_S = 15.0


End = Callable[["Status"], int]
_OPENING = "opening ... keys are heard when this line changes"
_HINTS = {
    True: "Ctrl+C pauses everything, twice stops; q leaves it running",
    False: "q leaves this view; everything goes on",
}


class View(Protocol):
    """Shows an orchestration while it runs."""

    def show(self, status: Status, discoveries: list[MessageShown]) -> None:
        """Show the newest status and discoveries."""

    def say(self, text: str) -> None:
        """Show one line."""

    def close(self) -> None:
        """Leave the terminal as it was."""

    @property
    def is_busy(self) -> bool:
        """Somebody is in the middle of something, so the end waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """Says how to follow."""

    pauses: bool  # Ctrl+C pauses; otherwise it only detaches
    starts: bool = False  # see to it that a supervisor lives
    aside: bool = False  # events go to stderr: stdout is for JSON
    is_plain: bool = False  # lines, in a terminal as well
    page: str = "agents"  # what a full-screen view shows first
    sort: str = "wants"
    stays: bool = False  # a full-screen view is left by a key, not by the end


def follow(tree: Tree, manner: Manner) -> int:
    """Show `tree` until it settles, pauses or is left; the exit code.

    Where `manner` says so a supervisor is started first; Ctrl+C counts from then on.
    """
    if manner.starts and not is_linux():
        say_aside("note: this system has less than Linux gives; what that means: maos-sup version --system")
    follower = _Follower(tree, manner)
    before = signal.signal(signal.SIGINT, follower.interrupt)
    try:
        return follower.run()
    finally:
        signal.signal(signal.SIGINT, before)
        follower.close()


def is_screen(manner: Manner) -> bool:
    """A full-screen view is shown: this is a terminal, and no lines are wanted."""
    if manner.aside or manner.is_plain:
        return False
    from maos_sup.views.screen.opening import can_be_opened

    return can_be_opened()


def is_at_rest(status: Status) -> bool:
    """Nothing more happens, and no supervisor is left to see that."""
    return is_settled(status) and not status["supervisor"]["alive"]


def exit_code_of(status: Status) -> int:
    """Give 3 if some task failed, else 0."""
    return edge.TASK_FAILED if status["phase"] == Phase.FAILED else edge.OK


class _Follower:
    def __init__(self, tree: Tree, manner: Manner) -> None:
        self._tree, self._manner, self._started = tree, manner, Started(None)
        self._watcher, self._news = Watcher(tree), Mailbox(tree, to="all")
        self._end: End | None = None
        self._is_left = False
        self._view: View = _plain_view(tree, manner)
        self._begun_s = time.monotonic()
        self._last: Status | None = None
        self._is_timed = False  # it was begun here: who comes later cannot tell how long it took
        self._interrupts, self._obeyed = 0, 0
        self._woken = threading.Event()
        self._alone_since_s: float | None = None
        self._give_up_s = float("inf")

    @property
    def _status(self) -> Status:
        """Give the status that was seen last; look for one if none was."""
        if self._last is None:
            self._last = self._watcher.status()
        return self._last

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Ctrl+C was typed; the loop acts on it."""
        self._interrupts += 1
        self._woken.set()

    def close(self) -> None:
        self._view.close()
        self._started.let_go()

    def run(self) -> int:
        """Follow to the end; the exit code. Raises LayoutError."""
        status = self._run_on_screen() if is_screen(self._manner) else self._run_in_lines()
        return edge.OK if self._end is None else self._end(status)

    def _run_in_lines(self) -> Status:
        self.begin()
        while True:
            begun_s = time.thread_time()
            if self.step():
                return self._status
            self._woken.wait(max(LOOK_S, 8 * (time.thread_time() - begun_s)))
            self._woken.clear()

    def _run_on_screen(self) -> Status:
        """Follow in a full-screen view: its first frame stands before what is heavy is imported."""
        from maos_sup.views.screen import opening
        from maos_sup.views.screen.state import Choice, Look

        self._last = self._watcher.status()
        name, hint = word_of(self._tree), _HINTS[self._manner.pauses]
        choice = Choice(page=self._manner.page, sort=self._manner.sort)
        with opening.keys_unseen():
            first = Look(status=self._status, name=name, hint=_OPENING, is_starting=self._is_starting)
            opening.paint_first(first, choice)
            try:
                from maos_sup.cli.screen import SteeringDesk
                from maos_sup.views.screen.app import ScreenView

                view = ScreenView(SteeringDesk(self._tree), name=name, hint=hint, choice=choice)
            except BaseException:
                opening.unpaint()
                raise
            self._view = view
            view.run(self, self._status, is_starting=self._is_starting)
        return self._status

    @property
    def _is_starting(self) -> bool:
        """Work is left and no supervisor lives, so `begin` will start one."""
        status = self._status
        return self._manner.starts and not status["supervisor"]["alive"] and not is_settled(status)

    def begin(self) -> None:
        """Start a supervisor, if that is the manner. Raises LayoutError."""
        if self._manner.starts:
            before = self._watcher.status()
            self._is_timed = not is_settled(before) and not before["supervisor"]["alive"]
            self._started = start_supervisor(self._tree)
            prompt(self._tree)

    def step(self) -> bool:
        """Look once and show it; whether this is the end. Raises LayoutError."""
        self._last = self._watcher.status()
        self._view.show(self._status, self._news.read())
        self._end = self._what_ends(self._status)
        return self._end is not None

    def interrupted(self) -> None:
        """Ctrl+C was typed into the view."""
        self._interrupts += 1

    def left(self) -> None:
        """The view is left."""
        self._is_left = True

    def _what_ends(self, status: Status) -> End | None:
        """Choose what to do last, if this is the end."""
        if self._is_left:
            return self._settled if is_at_rest(status) else self._detached
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
        if is_at_rest(status):
            return None if self._manner.stays or self._view.is_busy else self._settled
        self._mind_orphans(status)
        return None

    def _obey(self) -> None:
        """Obey Ctrl+C: first pause, then stop; more is no different."""
        first = self._obeyed == 1
        want_of_all(self._tree, Want.PAUSE if first else Want.STOP)
        if first:
            self._view.say("pausing: agents stop at a safe point; Ctrl+C again stops them at once")
        else:
            self._give_up_s = min(self._give_up_s, time.monotonic() + _STOP_PATIENCE_S)
            self._view.say("stopping")

    def _mind_orphans(self, status: Status) -> None:
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

    def _settled(self, status: Status) -> int:
        self._view.close()
        took_s = time.monotonic() - self._begun_s if self._is_timed else None
        lines = summary_lines(status, name=word_of(self._tree), took_s=took_s, width=terminal_width())
        self._tell("\n".join(lines))
        return exit_code_of(status)

    def _saved(self, status: Status) -> int:
        self._view.close()
        self._tell(saved_line(status, name=word_of(self._tree)))
        return edge.INTERRUPTED

    def _left_stopping(self, status: Status) -> int:
        self._view.close()
        saved = saved_line(status, name=word_of(self._tree))
        self._tell(f"still stopping: {counted(status['counts']['alive'], 'agent')}; {saved}")
        return edge.INTERRUPTED

    def _detached(self, status: Status) -> int:
        self._view.close()
        self._tell(f"it goes on without this view; watch again with: maos-sup attach {word_of(self._tree)}")
        return edge.OK

    def _tell(self, text: str) -> None:
        (say_aside if self._manner.aside else say)(text)


def _plain_view(tree: Tree, manner: Manner) -> View:
    """Make a view of lines, each with its time in UTC."""
    return PlainView(say_aside if manner.aside else say, name=word_of(tree), clock=utc_now, times=Times(tree))
