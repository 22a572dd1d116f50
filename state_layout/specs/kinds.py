"""Says what other parts know of a kind of agent besides its settings, by its name: its traits.

Those of our kinds stand here, since planner, cuts and views may not import an agent. A kind of another
package has them as `traits` on the class that its entry point names; without any the defaults hold.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from typing import Any

from msgspec import Struct

from state_layout.shapes.shape import Shape

GROUP = "maos_sup.kinds"  # of entry points


class KindTraits(Struct, frozen=True, kw_only=True):
    """The traits are what is known of a kind. The defaults are those of a program that nobody knows."""

    has_model: bool = False  # it may write anywhere in its folder, and a role makes another one of it
    runs_words_of_plan: bool = True  # `command`, `shell` or `callable` of a plan run as they stand
    writing_tools: frozenset[str] | None = None  # names in `tools` that write; None: it may write without any
    shell_tool: str | None = None  # what its shell is called in `tools`: templates can be made for it
    is_exact: bool = False  # what it does between two lines of its journal is on no disk but its own
    begins_anew: bool = False  # its program cannot go back to a moment, and begins a session anew
    branching: Mapping[str, frozenset[str]] = {}  # by setting the values with which its program can


class KindShapes(dict[str, Shape]):
    """The settings of the kinds at hand are here, by name; `left_out` says why others cannot be used."""

    def __init__(self) -> None:
        super().__init__()
        self.left_out: dict[str, str] = {}


BUILT_IN = {
    "command": KindTraits(),
    "python": KindTraits(is_exact=True),
    "anthropic": KindTraits(
        has_model=True,
        runs_words_of_plan=False,
        writing_tools=frozenset({"bash", "edit"}),
        shell_tool="bash",
        is_exact=True,
    ),
    "claude": KindTraits(has_model=True, runs_words_of_plan=False, shell_tool="Bash"),
    "cli": KindTraits(
        has_model=True,
        begins_anew=True,
        branching={"profile": frozenset({"codex", "gemini", "opencode"})},
    ),
}


def traits_of(kind: str) -> KindTraits:
    """Find the traits of the kind called `kind`; the defaults of one that is not installed or has none."""
    return BUILT_IN.get(kind) or _of_another_package(kind)


def begins_anew(kind: str, settings: Mapping[str, Any]) -> bool:
    """An agent of `kind` with these settings begins its session anew when it goes back."""
    traits = traits_of(kind)
    branches = any(settings.get(key) in values for key, values in traits.branching.items())
    return traits.begins_anew and not branches


@cache
def _of_another_package(kind: str) -> KindTraits:
    from importlib.metadata import entry_points  # a few milliseconds, paid only where it is asked

    for point in entry_points(group=GROUP, name=kind):
        module, _, attribute = point.value.partition(":")
        try:
            traits = getattr(getattr(importlib.import_module(module), attribute), "traits", None)
        except Exception:  # noqa: BLE001 - code of others; who runs its agents says what is wrong with it
            continue
        if isinstance(traits, KindTraits):
            return traits
    return KindTraits()
