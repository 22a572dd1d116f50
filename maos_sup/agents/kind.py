"""What a kind of agent is, and where kinds are found. A kind works on one task; all else is done for it.

Kinds are found by name among the built-in ones, then among the entry points `maos_sup.kinds` of what is
installed. Importing this module imports no kind: a model SDK is paid for only by who uses it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from state_layout.errors import BadInput
from state_layout.shapes.shape import Shape

if TYPE_CHECKING:
    from maos_sup.agents.work import Work

GROUP = "maos_sup.kinds"
BUILT_IN = {
    "command": "maos_sup.agents.kinds.command:CommandKind",
    "python": "maos_sup.agents.kinds.python:PythonKind",
    "anthropic": "maos_sup.agents.kinds.anthropic.kind:AnthropicKind",
    "claude": "maos_sup.agents.kinds.claude.kind:ClaudeKind",
    "cli": "maos_sup.agents.kinds.cli.kind:CliKind",
}


class Ending(IntEnum):
    """Why work is to end before it is done; a higher one overrides a lower one."""

    ASK = 1  # it waits for an answer
    PAUSE = 2  # at the next safe point
    RERUN = 3  # a higher run is wanted
    CANCEL = 4
    TIMEOUT = 5
    STOP = 6
    TROUBLE = 7  # the disk, or a bug of ours


SOFT = frozenset({Ending.ASK, Ending.PAUSE})


class Ended(BaseException):
    """Unwinds a kind's work; no `except Exception` of a user catches it."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.name.lower())
        self.ending = ending


class Missing(BadInput):
    """What only a person can supply: the task fails at once, for trying again is of no use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How work on a task ended. Done only if `ended` and `error` are None."""

    ended: Ending | None = None  # cut short by this
    error: str | None = None
    result: Any = None  # None: what the program reported as its result, if it did
    exit_code: int | None = None
    signal: int | None = None
    is_final: bool = False  # an error that no repetition mends: the task failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Something that an agent cannot do without and that is not here, and what to do about it."""

    key: str  # of the agent's settings
    text: str


class Kind(Protocol):
    """Works on tasks. Made anew for each task; `run` may raise `Ended`.

    A kind with `tells_mail = True` shows messages to its program by itself; the bus then shows none. One with
    `starts_pulse = True` calls `work.pulse.start()` once its program runs, where nothing before takes long:
    else two threads begin at once and hinder each other. One with `session_problems(tree, agent)` tells
    `check` what is wrong in `session/`, whose form nobody else knows. One with a static
    `lacks(settings, environment)` says before a tree is made what is missing for it: an iterator of `Lack`.
    """

    settings: ClassVar[Shape]  # its keys in `spec/agents/<agent>.json`

    def run(self, work: Work) -> Outcome:
        """Work on `work.task` until it is done or `work` is to end."""


def lacks(name: str, settings: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Lack]:
    """What an agent of the kind `name` lacks on this host, as far as its kind can tell beforehand."""
    find = getattr(find_kind(name), "lacks", None)
    if find is not None:
        yield from find(settings, environment)


def kind_names() -> list[str]:
    """The names of all kinds that are installed."""
    return sorted({*BUILT_IN, *_installed()})


def find_kind(name: str) -> type[Kind]:
    """The kind called `name`. Raises BadInput for one that is not there or cannot be imported."""
    target = BUILT_IN.get(name) or _installed().get(name)
    if target is None:
        raise BadInput(
            f"kind {name!r} is not known here; use one of {', '.join(kind_names())}, or install it"
        )
    module, _, attribute = target.partition(":")
    try:
        kind: type[Kind] = getattr(importlib.import_module(module), attribute)
    except Exception as cause:
        raise BadInput(
            f"kind {name!r} cannot be imported from {target}: {cause}; install what it needs"
        ) from cause
    return kind


def kind_shapes(tell: Callable[[str], object] | None = None) -> dict[str, Shape]:
    """The settings of every kind that can be imported, by name: for checking specs and plans.

    `tell` hears of each that cannot: what its agents are told to do is not checked.
    """
    shapes: dict[str, Shape] = {}
    for name in kind_names():
        try:
            shapes[name] = find_kind(name).settings
        except BadInput as cause:
            if tell is not None:
                tell(f"left out: {cause}")
    return shapes


def _installed() -> dict[str, str]:
    from importlib.metadata import entry_points  # a few milliseconds, paid only where it is asked

    return {point.name: point.value for point in entry_points(group=GROUP)}
