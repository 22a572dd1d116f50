"""Where the money went: by agent, task, model and day; what of it was waste; what is still to be expected.

A line that counts adds to its agent's total, as the agent itself adds it up. What a life said that was taken
back later (a rollback, a pin) is beside the total, as `void`; what a try cost that brought no whole answer is
within it, as `broken`. Each journal is read on from where the last look ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from maos_sup.projection.journal_lines import JournalLine
from maos_sup.projection.lives import LifeSpan
from maos_sup.projection.reading import Reading
from maos_sup.projection.spans import cost_of, tokens_of
from maos_sup.views.files import natural

if TYPE_CHECKING:
    from maos_sup.views.shapes import Status

UNKNOWN_MODEL, BESIDE_TASKS = "(no model named)", "(beside tasks)"
_LEAST_DONE = 2  # tasks, before anything is expected of the others


@dataclass(slots=True, kw_only=True)
class Sums:
    """Money and tokens. `unpriced`: answers whose price nobody knows, which add nothing to `cost_usd`."""

    cost_usd: float = 0.0
    tokens: int = 0
    calls: int = 0
    unpriced: int = 0

    def add(self, cost_usd: float | None, tokens: int) -> None:
        """Add one answer, or one try."""
        self.cost_usd += cost_usd or 0.0
        self.tokens += tokens
        self.calls += 1
        self.unpriced += cost_usd is None

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
    """What may be expected. Each is None where nothing can be said yet."""

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
        """As one JSON object."""
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


class _Entry(NamedTuple):
    """What one line tells of money."""

    seq: int
    task: str
    model: str
    day: str
    cost_usd: float | None
    tokens: int
    usage: dict[str, int]
    is_broken: bool


class CostReader:
    """Adds up a tree's money again and again; lines that were read are not read again."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._entries: dict[tuple[str, int], list[_Entry]] = {}
        self._offsets: dict[tuple[str, int], int] = {}
        self._models: dict[tuple[str, int, str], str] = {}

    def costs(self, status: Status, *, now_s: float, begun_s: float | None = None) -> Costs:
        """All sums now, of the agents in `status`."""
        names = sorted((agent["name"] for agent in status["agents"]), key=natural)
        sums = _Adding()
        for agent in names:
            for life in self._reading.lives(agent):
                for entry in self._read(agent, life):
                    sums.add(
                        agent, entry, is_void=life.void_above is not None and entry.seq > life.void_above
                    )
        return sums.done(status, now_s=now_s, begun_s=begun_s)

    def _read(self, agent: str, life: LifeSpan) -> list[_Entry]:
        key = agent, life.attempt
        found = self._entries.setdefault(key, [])
        default = None
        for line, offset in self._reading.costly_lines(agent, life, after=self._offsets.get(key, 0)):
            self._offsets[key] = offset
            if line is None:
                continue
            if line.type == "begun":
                self._models[agent, life.attempt, str(line.fields.get("key"))] = str(line.fields.get("model"))
                continue
            if default is None:
                default = str(self._reading.spec_of_agent(agent).get("model") or UNKNOWN_MODEL)
            entry = self._entry(line, default)
            if entry is not None:
                found.append(entry)
        return found

    def _entry(self, line: JournalLine, default: str) -> _Entry | None:
        fields = line.fields
        cost, tokens = cost_of(fields), tokens_of(fields)
        if cost == 0.0 and not tokens:
            return None
        model = fields.get("model") or self._models.get((line.agent, line.attempt, str(fields.get("key"))))
        usage = fields.get("usage") or fields.get("expected_usage")
        return _Entry(
            seq=line.seq,
            task=str(fields.get("task") or BESIDE_TASKS),
            model=str(model or default),
            day=str(fields.get("at"))[:10],
            cost_usd=cost,
            tokens=tokens,
            usage=_counts(usage),
            is_broken=line.type == "broken",
        )


class _Adding:
    """The sums while they are being made."""

    def __init__(self) -> None:
        self.total, self.broken, self.void = Sums(), Sums(), Sums()
        self.agents, self.tasks = defaultdict[str, Sums](Sums), defaultdict[str, Sums](Sums)
        self.models, self.days = defaultdict[str, Sums](Sums), defaultdict[str, Sums](Sums)
        self.token_types = defaultdict[tuple[str, str, str], int](int)

    def add(self, agent: str, entry: _Entry, *, is_void: bool) -> None:
        if is_void:
            self.void.add(entry.cost_usd, entry.tokens)
            return
        parts = self.agents[agent], self.tasks[entry.task], self.models[entry.model], self.days[entry.day]
        for sums in (self.total, *parts, *([self.broken] if entry.is_broken else [])):
            sums.add(entry.cost_usd, entry.tokens)
        told = 0
        for type_, count in entry.usage.items():
            self.token_types[agent, entry.model, type_] += count
            told += count
        if entry.tokens > told:  # its parts were not told
            self.token_types[agent, entry.model, "other"] += entry.tokens - told

    def done(self, status: Status, *, now_s: float, begun_s: float | None) -> Costs:
        by_name = [dict(sorted(part.items(), key=lambda item: natural(item[0]))) for part in self._parts()]
        return Costs(
            total=self.total,
            agents=by_name[0],
            tasks=by_name[1],
            models=by_name[2],
            days=by_name[3],
            token_types=dict(sorted(self.token_types.items())),
            broken=self.broken,
            void=self.void,
            forecast=forecast_of(status, self.total.cost_usd, begun_s=begun_s, now_s=now_s),
        )

    def _parts(self) -> tuple[dict[str, Sums], ...]:
        return self.agents, self.tasks, self.models, self.days


def forecast_of(status: Status, spent_usd: float, *, begun_s: float | None, now_s: float) -> Forecast:
    """What a run may come to. Nothing is said of one that costs nothing, or before two tasks are done."""
    if not spent_usd:
        return Forecast()
    counts = status["counts"]
    done = counts["tasks"] - counts["tasks_left"]
    at_end = round(spent_usd / done * counts["tasks"], 6) if done >= _LEAST_DONE else None
    if not counts["alive"] or begun_s is None or now_s <= begun_s:
        return Forecast(at_end_usd=at_end if counts["tasks_left"] else None)
    rate = spent_usd / (now_s - begun_s)
    cap = status["budget"]["max_cost_usd"]
    return Forecast(
        at_end_usd=at_end,
        usd_per_hour=round(rate * 3600, 6),
        runs_out_in_s=None if cap is None else round(max(0.0, cap - spent_usd) / rate, 1),
    )


_TYPES = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_input_tokens": "cache_read",
    "cache_creation_input_tokens": "cache_write",
}


def _counts(usage: object) -> dict[str, int]:
    """The tokens of an answer by type, as its server told them."""
    if not isinstance(usage, dict):
        return {}
    return {
        type_: count
        for key, type_ in _TYPES.items()
        if isinstance(count := usage.get(key), int) and not isinstance(count, bool) and count
    }
