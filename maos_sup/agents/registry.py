"""Finds kinds by name: among the built-in ones, then among the entry points `maos_sup.kinds`.

Importing this module imports no kind: a model SDK is paid for only by who uses it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from maos_sup.agents.endings import Missing
from state_layout.errors import BadInput
from state_layout.shapes.shape import Field, Shape
from state_layout.specs.kinds import GROUP, KindShapes

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

BUILT_IN = {
    "command": "maos_sup.agents.kinds.command:CommandKind",
    "python": "maos_sup.agents.kinds.python:PythonKind",
    "anthropic": "maos_sup.agents.kinds.anthropic.kind:AnthropicKind",
    "claude": "maos_sup.agents.kinds.claude.kind:ClaudeKind",
    "cli": "maos_sup.agents.kinds.cli.kind:CliKind",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """A lack is something that an agent cannot do without and that is not here, and what to do about it."""

    key: str  # of the agent's settings
    text: str
    item: str = ""  # within what stands under the key: a variable of `env_from`


class KindClass(Protocol):
    """A kind tells this before an agent of it is made; `agents.kind.Kind` is the whole of it."""

    settings: ClassVar[Shape]  # its keys in `spec/agents/<agent>.json`


def lacks(name: str, settings: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Lack]:
    """Yield what an agent of the kind `name` lacks on this host, as far as its kind can tell beforehand."""
    find = getattr(find_kind(name), "lacks", None)
    if find is not None:
        yield from find(settings, environment)


def kind_names() -> list[str]:
    """The names of all kinds that are installed."""
    return sorted({*BUILT_IN, *_installed()})


def find_kind(name: str) -> type[KindClass]:
    """Find the kind called `name`. Raises Missing for one that is not there, or cannot be imported or
    used."""
    target = BUILT_IN.get(name)
    where = target or ""
    if target is None:
        point = _installed().get(name)
        if point is None:
            raise Missing(
                f"kind {name!r} is not known here; use one of {', '.join(kind_names())}, "
                "or install its package, then retry"
            )
        target, where = point.value, _shown(point)
    module, _, attribute = target.partition(":")
    try:
        kind: type[KindClass] = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as cause:
        raise Missing(
            f"kind {name!r} cannot be imported from {where}: {cause}; install what it needs, then retry"
        ) from cause
    if name not in BUILT_IN and (lack := _lack(kind)):
        raise Missing(f"kind {name!r}, {where}, {lack}; install a version that has it, then retry")
    return kind


def kind_shapes(tell: Callable[[str], object] | None = None) -> KindShapes:
    """Find the settings of every kind that can be used, by name: for checking specs and plans.

    `tell` hears of each that cannot: what its agents are told to do is not checked.
    """
    shapes = KindShapes()
    for name in kind_names():
        try:
            shapes[name] = find_kind(name).settings
        except BadInput as cause:
            shapes.left_out[name] = str(cause)
            if tell is not None:
                tell(f"left out: {cause}")
    return shapes


class KindsInUse(Mapping[str, Shape]):
    """The settings of each kind that can be used are found when they are first asked for: importing all kinds
    takes longer than looking at a small tree.

    `tell` hears of each that was asked for and cannot be used.
    """

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell
        self._known: dict[str, Shape | None] = {}

    def __getitem__(self, name: str) -> Shape:
        if name not in self._known:
            self._known[name] = self._found(name)
        shape = self._known[name]
        if shape is None:
            raise KeyError(name)
        return shape

    def __iter__(self) -> Iterator[str]:
        return (name for name in kind_names() if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return True  # nothing is imported to tell

    def _found(self, name: str) -> Shape | None:
        if name not in BUILT_IN and name not in _installed():
            return None
        try:
            return find_kind(name).settings
        except BadInput as cause:
            self._tell(f"left out: {cause}")
            return None


def _lack(kind: type[KindClass]) -> str | None:
    """Say in words what a class of another package lacks to be a kind; None if nothing."""
    try:
        settings: Any = kind.settings  # of whatever type it is
    except Exception:  # noqa: BLE001 - code of others, a property of its metaclass too
        return "has no 'settings' (a Shape with the keys of its agents)"
    if not isinstance(settings, Shape):
        return f"has 'settings' of type {type(settings).__name__}, and they are to be a Shape"
    try:
        fields: Mapping[str, Any] = settings.fields
        for key, known in fields.items():
            if not isinstance(known, Field):
                return f"has 'settings' whose key {key!r} is a {type(known).__name__}, and no Field"
        Shape(fields={}).extended(settings).schema()
        list(settings.faults({}))
    except Exception as cause:  # noqa: BLE001 - code of others
        return f"has 'settings' that cannot be used ({type(cause).__name__}: {cause})"
    return None if callable(getattr(kind, "run", None)) else "has no 'run', which works on a task"


def _shown(point: EntryPoint) -> str:
    return f"{point.value} of package {point.dist.name!r}" if point.dist else point.value


def _installed() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # a few milliseconds, paid only where it is asked

    return {point.name: point for point in entry_points(group=GROUP)}
