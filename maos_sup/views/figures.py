"""Figures of an agent, each declared once: the rows here, and those counted from journals (`lives.figures`).

All that shows agents goes by these rows: `status` and its JSON, the live view, `top`, the page, the report,
and for what is kept the metrics. So a new figure is one row and its test. Pure: a measured row is told a
process of psutil, which `views.screen.figures` imports and samples only while somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from maos_sup.views.money import bytes_text
from state_layout.lives.figures import KEPT, KeptFigure, Unit

if TYPE_CHECKING:
    from maos_sup.views.shapes import AgentShown


class MeasuredFigure(Struct, frozen=True, kw_only=True):
    """A measured figure is told by processes now: the sum of what `measure` finds in each, or the rate of
    that.

    `measure` may raise any error of psutil: then the process adds nothing.
    """

    key: str  # in `status --resources --json` and `top --json`
    head: str  # of its column
    says: str
    measure: Callable[[Any], float]  # of a `psutil.Process`
    unit: Unit = Unit.COUNT
    is_rate: bool = False  # it grows; what is told is how much it grew in a second
    is_own: bool = False  # of the agent's process alone, not of what it started
    is_live: bool = True  # in the live view as well, which has little room


Figure = KeptFigure | MeasuredFigure
FigureColumn = tuple[str, tuple[str, ...]]  # its heading, a cell for each agent
MEASURED = (
    MeasuredFigure(
        key="cpu",
        head="CPU",
        says="Cores that it and all it started use.",
        measure=lambda process: sum(process.cpu_times()[:2]),
        unit=Unit.CORES,
        is_rate=True,
    ),
    MeasuredFigure(
        key="memory_bytes",
        head="MEMORY",
        says="Resident memory of it and all it started.",
        measure=lambda process: process.memory_info().rss,
        unit=Unit.BYTES,
    ),
    MeasuredFigure(
        key="own_memory_bytes",
        head="OWN",
        says="Resident memory of the agent's process alone.",
        measure=lambda process: process.memory_info().rss,
        unit=Unit.BYTES,
        is_own=True,
        is_live=False,
    ),
    MeasuredFigure(
        key="processes",
        head="PROCESSES",
        says="Processes: the agent and all it started.",
        measure=lambda process: 1,
        is_live=False,
    ),
    MeasuredFigure(
        key="open_files",
        head="FILES",
        says="Open files, sockets and pipes of it and all it started.",
        measure=lambda process: process.num_fds(),
        is_live=False,
    ),
)
NOTHING = ""  # the cell of an agent of which a figure is not known, or nothing


def figure_text(row: Figure, value: float | None) -> str:
    """Write a figure for a cell: `12`, `3.4 MB`, `40%` of a core; empty where it is not known."""
    if value is None:
        return NOTHING
    if row.unit is Unit.BYTES:
        return bytes_text(int(value))
    if row.unit is Unit.CORES:
        return f"{value:.0%}"
    return f"{value:,.0f}"


def rounded(row: Figure, value: float) -> float:
    """A figure as JSON tells it: cores to a hundredth of a percent, all else whole."""
    return round(value, 4) if row.unit is Unit.CORES else round(value)


def figure_columns(
    rows: Iterable[Figure], told: Sequence[Mapping[str, float]], *, with_empty: bool = False
) -> Iterator[FigureColumn]:
    """A column for each row of which any agent has something; `told` is what each agent has, by key."""
    for row in rows:
        if with_empty or any(one.get(row.key) for one in told):
            yield row.head, tuple(figure_text(row, one.get(row.key)) for one in told)


def figures_told(agents: Iterable[AgentShown]) -> list[Mapping[str, float]]:
    """List the figures of each agent, by key; of one that a caller made without any, none."""
    return [agent.get("figures") or {} for agent in agents]


def said_figures(agent: AgentShown) -> list[tuple[str, str]]:
    """List what there is to say of an agent's figures: `("turns", "12")`; nothing of those that are 0."""
    (told,) = figures_told([agent])
    rows = (row for row in (*KEPT, *MEASURED) if told.get(row.key))
    return [(row.head.lower(), figure_text(row, told[row.key])) for row in rows]
