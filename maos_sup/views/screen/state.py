"""Says what the screen is made from: what was seen, and what the person chose. Frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from maos_sup.views.shapes import Status

AGENTS, TASKS, MESSAGES, READ, HELP = "agents", "tasks", "messages", "read", "help"
PAGES = (AGENTS, TASKS, MESSAGES)
SORTS = ("wants", "cost", "age", "cpu", "name")
END = -1  # an offset: the end of what is read, and on with it


class News(NamedTuple):
    """News is something that happened."""

    at: str  # HH:MM:SSZ
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Holds what was seen at one moment."""

    status: Status
    name: str  # what a command line calls the tree
    news: tuple[News, ...] = ()
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # measured, by agent and key
    messages: tuple[str, ...] = ()
    reading: tuple[str, ...] = ()  # the lines of what is read
    notice: str = ""  # what the last key did, or why it did nothing
    hint: str = ""  # what to know of this view: how it is left
    is_starting: bool = False  # a supervisor is being started, and has not been seen yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A line that is being typed. `about` is the agent or question it is for."""

    act: str  # answer, send, filter
    about: str
    label: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Holds what the person chose."""

    page: str = AGENTS
    selected: str | None = None
    sort: str = SORTS[0]
    filter: str = ""
    offset: int = END
    is_raw: bool = False  # the raw output is read, not the transcript
    prompt: Prompt | None = None


class Act(NamedTuple):
    """Something to do that is more than looking."""

    name: str  # answer, send, pause, start, pause_all, start_all, retry, edit, leave
    about: str = ""
    text: str = ""
