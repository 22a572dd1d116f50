"""Says what one act changed: a value that a command prints, a view shows and a page can send. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that is different now, or was so already: `before` and `after` say which.

    `subject` names it as people do ("agent bob", "task report"), `text` is the line to print.
    """

    subject: str
    text: str
    before: Any = None
    after: Any = None

    def __str__(self) -> str:
        return self.text


def lines_of(changes: tuple[Change, ...]) -> str:
    """The lines of some changes, as one text."""
    return "\n".join(map(str, changes))
