"""Says where the money went: by agent, task, model and day; what was waste; what is still to be expected.
Pure.

A line that counts adds to its agent's total, as the agent itself adds it up. What a life said that was taken
back later (a rollback, a pin) is beside the total, as `void`; what a try cost that brought no whole answer is
within it, as `broken`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from maos_sup.views.money import tokens_within, usd_within

if TYPE_CHECKING:
    from maos_sup.views.shapes import Status

_LEAST_DONE = 2  # tasks, before anything is expected of the others


@dataclass(slots=True, kw_only=True)
class Sums:
    """The sums are of money and tokens. `unpriced`: answers whose price nobody knows, which add nothing to
    `cost_usd`."""

    cost_usd: float = 0.0
    tokens: int = 0
    calls: int = 0
    unpriced: int = 0

    def add(self, cost_usd: float | None, tokens: int) -> None:
        """Add one answer, or one try."""
        self._raise_by(cost_usd or 0.0, tokens)
        self.calls += 1
        self.unpriced += cost_usd is None

    def merge(self, other: Sums) -> None:
        """Add all that `other` has."""
        self._raise_by(other.cost_usd, other.tokens)
        self.calls += other.calls
        self.unpriced += other.unpriced

    def _raise_by(self, cost_usd: float, tokens: int) -> None:
        self.cost_usd = usd_within(self.cost_usd + cost_usd)
        self.tokens = tokens_within(self.tokens + tokens)

    def to_json(self) -> dict[str, object]:
        """As `cost --json` prints it."""
        return {
            "cost_usd": round(self.cost_usd, 6),
            "tokens": self.tokens,
            "calls": self.calls,
            "unpriced": self.unpriced,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Says what may be expected. Each is None where nothing can be said yet."""

    at_end_usd: float | None = None  # if the tasks that are left cost what those that are done did
    usd_per_hour: float | None = None  # over the whole run, while somebody works
    runs_out_in_s: float | None = None  # of the budget, at that rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Sums by agent, task, model, day and type of token; `broken` is within them, `void` beside them."""

    total: Sums
    agents: Mapping[str, Sums]
    tasks: Mapping[str, Sums]
    models: Mapping[str, Sums]
    days: Mapping[str, Sums]
    token_types: Mapping[tuple[str, str, str], int]  # by agent, model and type
    broken: Sums
    void: Sums
    forecast: Forecast = field(default_factory=Forecast)

    def to_json(self) -> dict[str, object]:
        """Tell the costs as one JSON object."""
        parts = {"agents": self.agents, "tasks": self.tasks, "models": self.models, "days": self.days}
        return {
            "total": self.total.to_json(),
            **{what: {name: one.to_json() for name, one in part.items()} for what, part in parts.items()},
            "waste": {"broken": self.broken.to_json(), "void": self.void.to_json()},
            "forecast": {
                "at_end_usd": self.forecast.at_end_usd,
                "usd_per_hour": self.forecast.usd_per_hour,
                "runs_out_in_s": self.forecast.runs_out_in_s,
            },
        }


NO_COSTS = Costs(
    total=Sums(), agents={}, tasks={}, models={}, days={}, token_types={}, broken=Sums(), void=Sums()
)


def forecast_of(status: Status, spent_usd: float, *, begun_s: float | None, now_s: float) -> Forecast:
    """Forecast a run's costs. Nothing is said of a run that costs nothing, or before two tasks are done."""
    if not spent_usd:
        return Forecast()
    counts = status["counts"]
    done = counts["tasks"] - counts["tasks_left"]
    can_say = done >= _LEAST_DONE and counts["tasks_left"]
    at_end = round(spent_usd / done * counts["tasks"], 6) if can_say else None
    if not counts["alive"] or begun_s is None or now_s <= begun_s:
        return Forecast(at_end_usd=at_end)
    rate = spent_usd / (now_s - begun_s)
    cap = status["budget"]["max_cost_usd"]
    return Forecast(
        at_end_usd=at_end,
        usd_per_hour=round(rate * 3600, 6),
        runs_out_in_s=None if cap is None else round(max(0.0, cap - spent_usd) / rate, 1),
    )
