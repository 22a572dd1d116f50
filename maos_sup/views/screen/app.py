"""Draws the lines of `picture` in a terminal and hands keys on; the only place that knows Textual.

Nothing is decided here: `keys` says what a key does, `picture` what is shown. Looking is done by the course,
on the timer of this loop; a terminal that is slow holds back drawing, never an agent.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Protocol

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from maos_sup.views.events import events as news_of
from maos_sup.views.plain import discovery_text
from maos_sup.views.screen.figures import Figures
from maos_sup.views.screen.hangup import terminal_is_gone, terminal_size
from maos_sup.views.screen.keys import pasted, pressed
from maos_sup.views.screen.picture import picture, title
from maos_sup.views.screen.rows import wants_you
from maos_sup.views.screen.spans import STYLES, Line
from maos_sup.views.screen.state import HELP, MESSAGES, READ, Act, Choice, Look, News
from state_layout.errors import LayoutError
from state_layout.files.chain import utc_now

if TYPE_CHECKING:
    from maos_sup.views.shapes import MessageShown, Status

LOOK_S = 0.4
_IDLE_SHARE = 30  # a look may take a thirtieth of the time
_FIGURES_S = 2.0
_NEWS_KEPT = 200
_NOTICE_S = 6.0


class Desk(Protocol):
    """Reads more of the tree for the view, and acts on it."""

    def act(self, act: Act) -> str:
        """Do it; what changed, in words. Raises LayoutError."""

    def read(self, agent: str, *, is_raw: bool) -> tuple[str, ...]:
        """Read the transcript or the raw output of an agent."""

    def messages(self) -> tuple[str, ...]:
        """List the newest messages, a line each."""

    def edit(self, agent: str) -> str:
        """Let the spec of an agent be edited on this terminal; what changed. Raises LayoutError."""


class Course(Protocol):
    """A course is looked at again and again until it has an end."""

    def begin(self) -> None:
        """Do what comes before the first look; it may take long. Raises LayoutError."""

    def step(self) -> bool:
        """Look once, and show it; whether this is the end. Raises LayoutError."""

    def interrupted(self) -> None:
        """Ctrl+C was typed."""

    def left(self) -> None:
        """The view is left; what is followed goes on."""


class Picture(Widget, can_focus=True):
    """The picture shows the lines, one below the other."""

    DEFAULT_CSS = "Picture { width: 100%; height: 100%; background: ansi_default; color: ansi_default; }"

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[Line] = []

    def put(self, lines: list[Line]) -> None:
        """Draw the lines that differ from those that stand there."""
        before, self._lines = self._lines, lines
        if len(before) != len(lines):
            self.refresh()
            return
        changed = [y for y, (old, new) in enumerate(zip(before, lines, strict=True)) if old != new]
        if changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        if y >= len(self._lines):
            return Strip.blank(self.size.width)
        return Strip([Segment(span.text, _style(span.style)) for span in self._lines[y]])


class ScreenApp(App[None]):
    """The app is the loop: a timer that looks, and keys."""

    ENABLE_COMMAND_PALETTE = False
    CSS = "Screen { background: ansi_default; color: ansi_default; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "interrupt", priority=True, show=False),
        Binding("ctrl+q", "leave", priority=True, show=False),
        Binding("ctrl+z", "suspend_process", priority=True, show=False),
    ]

    def __init__(self, course: Course, desk: Desk, *, name: str, hint: str, choice: Choice) -> None:
        super().__init__(ansi_color=True)
        self.course, self.desk, self.tree_name, self.hint = course, desk, name, hint
        self.choice, self.look = choice, None
        self.trouble: BaseException | None = None
        self._news: list[News] = []
        self._figures = Figures()
        self._wanted: frozenset[str] = frozenset()
        self._notice_until_s = self._figures_due_s = 0.0
        self._has_begun = self._is_over = False
        self.edits: str | None = None  # the agent whose spec is to be edited, once the terminal is free

    look: Look | None

    # What the course shows.

    def show(self, status: Status, discoveries: list[MessageShown]) -> None:
        """Take in what was seen."""
        now = f"{utc_now()[11:19]}Z"
        before = None if self.look is None else self.look.status
        told = [f"{found.get('from')}: {discovery_text(found)}" for found in discoveries]
        if before is not None:
            told += news_of(before, status)
        self._news = [*self._news, *(News(now, text) for text in told)][-_NEWS_KEPT:]
        look = self.look or Look(status=status, name=self.tree_name, hint=self.hint)
        self.look = replace(look, status=status, news=tuple(self._news), is_starting=False)
        self._tell_wanted(status)

    def say(self, text: str) -> None:
        """Say something about what was typed, and keep it among the news."""
        self._news.append(News(f"{utc_now()[11:19]}Z", text))
        self._notify(text)

    def go_on_from(self, before: ScreenApp, told: str) -> None:
        """Show what `before` showed, after something was done on the terminal between them."""
        self.look, self._wanted, self._news = before.look, before._wanted, before._news
        self._has_begun = True
        self._notify(told)

    @property
    def is_busy(self) -> bool:
        """The person is in the middle of something: then the end waits."""
        return self.choice.prompt is not None or self.choice.page in (READ, HELP)

    # The loop.

    def compose(self) -> ComposeResult:
        yield Picture()

    def on_mount(self) -> None:
        self.query_one(Picture).focus()
        self._write("\x1b[22;2t")  # the title that stands there is kept
        signal.signal(signal.SIGTERM, self._terminated)
        self._notice_until_s = time.monotonic() + _NOTICE_S  # from when it can be seen
        if not self._has_begun:
            self.run_worker(self._begin, thread=True, exclusive=False)
        self.set_timer(0.01, self._turn)

    def _begin(self) -> None:
        try:
            self.course.begin()
        except LayoutError as error:
            self.trouble = error
        self._has_begun = True

    def _turn(self) -> None:
        begun_s = time.thread_time()
        if terminal_is_gone():  # nobody sees it, and nobody can leave it
            self.course.left()
        try:
            is_end = self.course.step() if self._has_begun and self.trouble is None else False
        except Exception as error:  # noqa: BLE001 the edge of this loop: whoever opened the view is told
            self.trouble, is_end = error, True
        if is_end or (self.trouble is not None and self._has_begun):
            self._close()
            return
        self._refresh_reading()
        if (size := terminal_size()) not in (None, self.size):  # the signal was missed
            self.post_message(events.Resize(Size(*size), Size(*size)))
        self.draw()
        self._sample()
        self.set_timer(max(LOOK_S, _IDLE_SHARE * (time.thread_time() - begun_s)), self._turn)

    def _sample(self) -> None:
        if self.look is None or time.monotonic() < self._figures_due_s:
            return
        self._figures_due_s = time.monotonic() + _FIGURES_S
        agents = self.look.status["agents"]
        pids = {agent["name"]: agent["pid"] for agent in agents if agent["pid"] is not None}

        def sample() -> None:
            figures = self._figures.sample(pids)
            if self.look is not None:
                self.look = replace(self.look, figures=figures)

        self.run_worker(sample, thread=True, exclusive=True)

    def _refresh_reading(self) -> None:
        """Read on in what is shown, and nothing else."""
        if self.look is None:
            return
        if self.choice.page == READ and self.choice.selected is not None:
            lines = self.desk.read(self.choice.selected, is_raw=self.choice.is_raw)
            self.look = replace(self.look, reading=lines)
        elif self.choice.page == MESSAGES:
            self.look = replace(self.look, messages=self.desk.messages())
        if self.look.notice and time.monotonic() > self._notice_until_s:
            self.look = replace(self.look, notice="")

    def draw(self) -> None:
        """Draw what was seen last, as it was chosen."""
        if self.look is not None and not self._is_over:
            size = self.size
            lines = picture(self.look, self.choice, width=size.width, height=size.height)
            self.query_one(Picture).put(lines)

    def _close(self) -> None:
        self._is_over = True
        self._write("\x1b[23;2t")
        self.exit()

    # Keys.

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self.draw)

    def on_paste(self, event: events.Paste) -> None:
        self.choice = pasted(self.choice, event.text)
        self.draw()

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        self._press(event.key, event.character)

    def action_interrupt(self) -> None:
        if self.choice.prompt is not None:
            self._press("ctrl+c", None)
            return
        self.course.interrupted()
        self._step_now()

    def action_leave(self) -> None:
        self._leave()

    def _press(self, key: str, character: str | None) -> None:
        if self.look is None:
            if key in ("q", "d"):
                self._leave()
            return
        done = pressed(self.look, self.choice, key, character)
        self.choice = done.choice
        if done.notice:
            self._notify(done.notice)
        if done.act is not None:
            self._act(done.act)
        self._refresh_reading()
        self.draw()

    def _act(self, act: Act) -> None:
        if act.name == "leave":
            self._leave()
            return
        if act.name == "edit":
            self.edits = act.about
            self._close()
            return
        try:
            told = self.desk.act(act)
        except LayoutError as error:
            told = str(error)
        self._notify(" ".join(told.split()))
        self._step_now()

    def _leave(self) -> None:
        self.course.left()
        self._step_now()

    def _step_now(self) -> None:
        """Look at once: what was typed shows before the next tick."""
        if not self._has_begun or self._is_over:
            return
        try:
            if self.course.step():
                self._close()
        except LayoutError as error:
            self.trouble = error
            self._close()
        self.draw()

    def _notify(self, text: str) -> None:
        self._notice_until_s = time.monotonic() + _NOTICE_S
        if self.look is not None:
            self.look = replace(self.look, notice=text)

    def _terminated(self, number: int, frame: object) -> None:
        """End on TERM: the terminal is left as it was, and everything goes on."""
        self.course.left()

    # The terminal's title, and its bell.

    def _tell_wanted(self, status: Status) -> None:
        """A bell for each question and failure that is new, and the title."""
        wanted = frozenset(
            f"{agent['name']}/{[asked['id'] for asked in agent['questions']]}"
            for agent in status["agents"]
            if wants_you(agent)
        )
        if wanted - self._wanted:
            self.bell()
        self._wanted = wanted
        self._write(f"\x1b]2;{title(status)}\x07")

    def _write(self, text: str) -> None:
        if self._driver is not None and not self.is_headless:
            self._driver.write(text)


class ScreenView:
    """The view as whoever follows an orchestration sees it."""

    def __init__(self, desk: Desk, *, name: str, hint: str, choice: Choice) -> None:
        self._desk, self._name, self._hint, self._choice = desk, name, hint, choice
        self._app: ScreenApp | None = None

    def show(self, status: Status, discoveries: list[MessageShown]) -> None:
        """Show the newest status and discoveries."""
        if self._app is not None:
            self._app.show(status, discoveries)

    def say(self, text: str) -> None:
        """Show one line."""
        if self._app is not None:
            self._app.say(text)

    def close(self) -> None:
        """The terminal is as it was once `run` has returned."""

    @property
    def is_busy(self) -> bool:
        """Somebody reads or types: what has ended is shown until then."""
        return self._app is not None and self._app.is_busy

    def run(self, course: Course, status: Status, *, is_starting: bool = False) -> None:
        """Be the view of `course` until it ends; `status` is shown first. Raises what the course raises."""
        app = self._new(course, self._choice)
        app.show(status, [])
        if app.look is not None:
            app.look = replace(app.look, is_starting=is_starting)
        before = signal.getsignal(signal.SIGTERM)
        try:
            self._app = app
            while self._ran(app) is not None:
                told = self._edited(str(app.edits))
                follower = self._new(course, app.choice)
                follower.go_on_from(app, told)
                self._app = app = follower
        finally:
            signal.signal(signal.SIGTERM, before)
            self._app = None

    def _ran(self, app: ScreenApp) -> str | None:
        """Let `app` have the terminal; the agent whose spec is to be edited then, if one is."""
        app.run(mouse=False)
        if app.trouble is not None:
            raise app.trouble
        return app.edits

    def _edited(self, agent: str) -> str:
        try:
            return " ".join(self._desk.edit(agent).split())
        except LayoutError as error:
            return " ".join(str(error).split())

    def _new(self, course: Course, choice: Choice) -> ScreenApp:
        no_color = os.environ.get("NO_COLOR")
        app = ScreenApp(course, self._desk, name=self._name, hint=self._hint, choice=choice)
        if no_color is not None:
            os.environ["NO_COLOR"] = no_color  # Textual takes it away; what is started here needs it
        return app


@lru_cache(maxsize=32)
def _style(name: str) -> Style:
    return Style.parse(STYLES[name][0])
