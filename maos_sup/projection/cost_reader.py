"""Reads what journals tell of money, each on from where the last look ended, and adds it up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from maos_sup.projection.costs import NO_COSTS, Costs, Forecast, Sums, forecast_of
from maos_sup.projection.journal_lines import JournalLine
from maos_sup.projection.lives import LifeSpan
from maos_sup.projection.reading import Reading
from maos_sup.projection.spans import cost_of, tokens_of
from maos_sup.views.files import natural

if TYPE_CHECKING:
    from maos_sup.views.shapes import Status

UNKNOWN_MODEL, BESIDE_TASKS = "(no model named)", "(beside tasks)"
Lives = Mapping[str, list[LifeSpan]]


class CostEntry(NamedTuple):
    """What one line tells of money. `h` is its hash: a line of a fork is that of its original."""

    agent: str
    seq: int
    h: str
    task: str
    model: str
    day: str
    cost_usd: float | None
    tokens: int
    usage: dict[str, int]
    is_broken: bool


class ToldCost(NamedTuple):
    """What a line tells of money, and whether it does not count (any more)."""

    entry: CostEntry
    is_void: bool


class CostReader:
    """Adds up a tree's money again and again; lines that were read are not read again."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._entries: dict[tuple[str, int], list[CostEntry]] = {}
        self._offsets: dict[tuple[str, int], int] = {}
        self._models: dict[tuple[str, int, str], str] = {}
        self.told: list[ToldCost] = []  # by the last look, line by line

    def costs(self, status: Status, *, now_s: float, begun_s: float | None = None) -> Costs:
        """All sums now, of the agents in `status`. `begun_s`: of the run, where that is known already."""
        names = sorted((agent["name"] for agent in status["agents"]), key=natural)
        lives = {agent: self._reading.lives(agent) for agent in names}
        if not self._entries and not _may_have_cost(status, lives):
            return NO_COSTS
        self.told = [*self._all_entries(lives)]
        if begun_s is None:
            begun_s = self._reading.begun_s()
        sums = _added(self.told)
        forecast = forecast_of(status, sums.total.cost_usd, begun_s=begun_s, now_s=now_s)
        return sums.done(forecast)

    def _all_entries(self, lives: Lives) -> Iterator[ToldCost]:
        for agent, of_agent in lives.items():
            for life in of_agent:
                for entry in self._read(agent, life):
                    is_void = life.void_above is not None and entry.seq > life.void_above
                    yield ToldCost(entry, is_void)

    def _read(self, agent: str, life: LifeSpan) -> list[CostEntry]:
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

    def _entry(self, line: JournalLine, default: str) -> CostEntry | None:
        fields = line.fields
        cost, tokens = cost_of(fields), tokens_of(fields)
        if cost == 0.0 and not tokens:
            return None
        model = fields.get("model") or self._models.get((line.agent, line.attempt, str(fields.get("key"))))
        usage = fields.get("usage") or fields.get("expected_usage")
        return CostEntry(
            agent=line.agent,
            seq=line.seq,
            h=line.h,
            task=str(fields.get("task") or BESIDE_TASKS),
            model=str(model or default),
            day=str(fields.get("at"))[:10],
            cost_usd=cost,
            tokens=tokens,
            usage=_counts(usage),
            is_broken=line.type == "broken",
        )


def _may_have_cost(status: Status, lives: Mapping[str, list[LifeSpan]]) -> bool:
    """Whether journals are worth reading: most programs cost nothing, and theirs may be long."""
    counts = status["counts"]
    if counts["cost_usd"] or counts["tokens"]:
        return True
    return any(life.void_above is not None for of_agent in lives.values() for life in of_agent)


def costs_of_several(told: Iterable[ToldCost]) -> tuple[Costs, Sums]:
    """The sums of several orchestrations, and what of them stands in more than one, which is counted once.

    Forks and copies have the records of their originals; what counts in any of them counts.
    """
    known, shared = dict[tuple[str, int, str], ToldCost](), Sums()
    for one in told:
        key = one.entry.agent, one.entry.seq, one.entry.h
        before = known.get(key)
        if before is None or (before.is_void and not one.is_void):
            known[key] = one
        elif not one.is_void:
            shared.add(one.entry.cost_usd, one.entry.tokens)
    return _added(known.values()).done(Forecast()), shared


def _added(told: Iterable[ToldCost]) -> _Adding:
    sums = _Adding()
    for entry, is_void in told:
        sums.add(entry, is_void=is_void)
    return sums


class _Adding:
    """The sums while they are being made."""

    def __init__(self) -> None:
        self.total, self.broken, self.void = Sums(), Sums(), Sums()
        self.agents, self.tasks = defaultdict[str, Sums](Sums), defaultdict[str, Sums](Sums)
        self.models, self.days = defaultdict[str, Sums](Sums), defaultdict[str, Sums](Sums)
        self.token_types = defaultdict[tuple[str, str, str], int](int)

    def add(self, entry: CostEntry, *, is_void: bool) -> None:
        if is_void:
            self.void.add(entry.cost_usd, entry.tokens)
            return
        parts = (
            self.agents[entry.agent],
            self.tasks[entry.task],
            self.models[entry.model],
            self.days[entry.day],
        )
        for sums in (self.total, *parts, *([self.broken] if entry.is_broken else [])):
            sums.add(entry.cost_usd, entry.tokens)
        told = 0
        for type_, count in entry.usage.items():
            self.token_types[entry.agent, entry.model, type_] += count
            told += count
        if entry.tokens > told:  # its parts were not told
            self.token_types[entry.agent, entry.model, "other"] += entry.tokens - told

    def done(self, forecast: Forecast) -> Costs:
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
            forecast=forecast,
        )

    def _parts(self) -> tuple[dict[str, Sums], ...]:
        return self.agents, self.tasks, self.models, self.days


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
