"""A watching view without a terminal: one line an event, with its own time in UTC, and nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from maos_sup.views.events import events_with_subjects
from maos_sup.views.files import printable
from maos_sup.views.render import answer_line
from maos_sup.views.times import Times

if TYPE_CHECKING:
    from maos_sup.views.shapes import MessageShown, Status, Subject


class PlainView:
    """Writes a line for each event to `write`; `clock` gives the present as records have it.

    `name` is what a command line calls the tree. What happened before the first look is told with the time
    that is on record.
    """

    is_busy = False  # nobody types into lines

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        clock: Callable[[], str],
        name: str = "ID",
        times: Times | None = None,
    ) -> None:
        self._write, self._clock, self._name, self._times = write, clock, name, times
        self._before: Status | None = None

    def show(self, status: Status, discoveries: list[MessageShown]) -> None:
        """Tell what is new."""
        is_first = self._before is None
        for message in discoveries:
            text = f"{message.get('from')} {message.get('type')}: {discovery_text(message)}"
            self._tell(text, str(message.get("at") or ""))
        for line, subject in events_with_subjects(self._before, status):
            self._tell(printable(line), self._time_of(subject) if is_first else None)
            if subject is not None and "question" in subject:
                self._tell(f"  {answer_line(subject['question'], name=self._name)}", None)
        self._before = status

    def say(self, text: str) -> None:
        """Tell one thing."""
        self._tell(text, None)

    def close(self) -> None:
        """Nothing is left open."""

    def _tell(self, text: str, at: str | None) -> None:
        self._write(f"{time_text(at or self._clock())} {text}")

    def _time_of(self, subject: Subject | None) -> str | None:
        if self._times is None or subject is None:
            return None
        if "question" in subject:
            return self._times.of_question(subject["question"])
        if "agent" in subject:
            return self._times.of_agent(str(subject["agent"]["name"]))
        return self._times.of_task(subject["task"]) if "task" in subject else None


def time_text(at: str) -> str:
    """Word the time of day of a record like `03:07:41Z`, in UTC as it is stored; what is none, as it is."""
    return f"{at[11:19]}Z" if len(at) > 19 and at.endswith("Z") else at


def discovery_text(message: MessageShown, *, longest: int = 200) -> str:
    """Write what a message says, in one line."""
    said = message.get("text")
    text = printable(" ".join(str(message.get("body") if said is None else said).split()))
    return text if len(text) <= longest else text[: longest - 1] + "…"
