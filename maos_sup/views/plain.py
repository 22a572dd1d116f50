"""A watching view without a terminal: one line an event, and nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from maos_sup.views.events import events
from maos_sup.views.files import printable

Message = dict[str, Any]


class PlainView:
    """Writes a line for each event to `write`."""

    def __init__(self, write: Callable[[str], None], *, clock: Callable[[], str]) -> None:
        self._write, self._clock = write, clock
        self._before: dict[str, Any] | None = None

    def show(self, status: dict[str, Any], discoveries: list[Message]) -> None:
        """Tell what is new."""
        for message in discoveries:
            self.say(f"{message.get('from')} {message.get('type')}: {discovery_text(message)}")
        for line in events(self._before, status):
            self.say(line)
        self._before = status

    def say(self, text: str) -> None:
        """Tell one thing."""
        self._write(f"{self._clock()} {text}")

    def close(self) -> None:
        """Nothing is left open."""


def discovery_text(message: Message, *, longest: int = 200) -> str:
    """What a message says, in one line."""
    said = message.get("text")
    text = printable(" ".join(str(message.get("body") if said is None else said).split()))
    return text if len(text) <= longest else text[: longest - 1] + "…"
