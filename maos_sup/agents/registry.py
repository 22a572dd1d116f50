"""Finds kinds by name: among the built-in ones, then among the entry points `maos_sup.kinds`.

Importing this module imports no kind: a model SDK is paid for only by who uses it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from state_layout.errors import BadInput
from state_layout.shapes.shape import Shape
from state_layout.specs.kinds import GROUP

BUILT_IN = {
    "command": "maos_sup.agents.kinds.command:CommandKind",
    "python": "maos_sup.agents.kinds.python:PythonKind",
    "anthropic": "maos_sup.agents.kinds.anthropic.kind:AnthropicKind",
    "claude": "maos_sup.agents.kinds.claude.kind:ClaudeKind",
    "cli": "maos_sup.agents.kinds.cli.kind:CliKind",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Something that an agent cannot do without and that is not here, and what to do about it."""

    key: str  # of the agent's settings
    text: str
    item: str = ""  # within what stands under the key: a variable of `env_from`


class KindClass(Protocol):
    """What a kind tells before an agent of it is made; `agents.kind.Kind` is the whole of it."""

    settings: ClassVar[Shape]  # its keys in `spec/agents/<agent>.json`


def lacks(name: str, settings: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Lack]:
    """What an agent of the kind `name` lacks on this host, as far as its kind can tell beforehand."""
    find = getattr(find_kind(name), "lacks", None)
    if find is not None:
        yield from find(settings, environment)


def kind_names() -> list[str]:
    """The names of all kinds that are installed."""
    return sorted({*BUILT_IN, *_installed()})


def find_kind(name: str) -> type[KindClass]:
    """The kind called `name`. Raises BadInput for one that is not there or cannot be imported."""
    target = BUILT_IN.get(name) or _installed().get(name)
    if target is None:
        raise BadInput(
            f"kind {name!r} is not known here; use one of {', '.join(kind_names())}, or install it"
        )
    module, _, attribute = target.partition(":")
    try:
        kind: type[KindClass] = getattr(importlib.import_module(module), attribute)
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
