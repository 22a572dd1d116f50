"""Figures of an agent that are counted from its journal: each is one row here, and all who show any go by it.

A line adds to a figure what its row says; the sums are part of the fold (`History.figures`), so they outlive
the agent, go back with it and stand in `status.json`. An agent that began under a build without the row
counts from its last checkpoint on. `maos_sup.views.figures` has those that are measured, and shows both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct


class Unit(StrEnum):
    """A unit says what a figure is counted in."""

    COUNT = "count"
    BYTES = "bytes"
    CORES = "cores"  # of CPU, 1.0 is one


class KeptFigure(Struct, frozen=True, kw_only=True):
    """A figure is one that journals tell: lines of `type` add to it what `adds` finds in them, 0 or more."""

    key: str  # in `status.json`, `status --json` and the metric's name
    head: str  # of its column
    says: str  # one sentence for who reads a metric
    type: str
    adds: Callable[[Mapping[str, Any]], float]
    unit: Unit = Unit.COUNT


KEPT = (
    KeptFigure(
        key="turns",
        head="TURNS",
        says="Answers of a model that count.",
        type="turn",
        adds=lambda line: line.get("role") == "assistant",
    ),
    KeptFigure(
        key="tool_calls",
        head="TOOLS",
        says="Calls of tools by a model.",
        type="tool_call",
        adds=lambda line: 1,
    ),
)


def by_type(rows: Iterable[KeptFigure]) -> dict[str, tuple[KeptFigure, ...]]:
    """Sort the rows by the type of line that adds to them."""
    found = dict[str, tuple[KeptFigure, ...]]()
    for row in rows:
        found[row.type] = (*found.get(row.type, ()), row)
    return found


BY_TYPE = by_type(KEPT)


def kept_of(told: Mapping[str, float] | None) -> dict[str, float]:
    """Take each kept figure of an agent whose snapshot tells `told`; 0 where it does not."""
    known = told or {}
    return {row.key: known.get(row.key, 0) for row in KEPT}
