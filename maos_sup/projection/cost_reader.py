"""Adds up what journals tell of money, each read on from where the last look ended."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from maos_sup.projection.cost_lines import CostEntry, entries_of
from maos_sup.projection.costs import NO_COSTS, Costs, Forecast, Sums, forecast_of
from maos_sup.projection.lives import LifeSpan
from maos_sup.projection.reading import Reading
from maos_sup.views.files import natural

if TYPE_CHECKING:
    from maos_sup.views.shapes import Status

UNKNOWN_MODEL = "(no model named)"
Tell = Callable[[str, CostEntry, bool], None]  # of an agent; True: it does not count (any more)


class CostReader:
    """Adds up a tree's money again and again; lines that were read are not read again, nor kept.

    `tell`, if given, is told of each line as it is read.
    """

    def __init__(self, reading: Reading, *, tell: Tell | None = None) -> None:
        self._reading, self._tell = reading, tell
        self._lives: dict[tuple[str, int], _LifeSums] = {}

    def costs(self, status: Status, *, now_s: float, begun_s: float | None = None) -> Costs:
        """All sums now, of the agents in `status`. `begun_s`: of the run, where that is known already."""
        names = sorted((agent["name"] for agent in status["agents"]), key=natural)
        lives = {agent: self._reading.lives(agent) for agent in names}
        if not self._lives and not _may_have_cost(status, lives):
            return NO_COSTS
        if begun_s is None:
            begun_s = self._reading.begun_s()
        sums = CostSums()
        for agent, of_agent in lives.items():
            for life in of_agent:
                sums.add_life(agent, self._read(agent, life))
        forecast = forecast_of(status, sums.total.cost_usd, begun_s=begun_s, now_s=now_s)
        return sums.costs(forecast)

    def _read(self, agent: str, life: LifeSpan) -> _LifeSums:
        """The sums of one life, read on to its end; anew where another part of it counts than did."""
        key = agent, life.attempt
        known = self._lives.get(key)
        if known is None or not known.fits(life.void_above):
            known = self._lives[key] = _LifeSums(life.void_above)
        known.void_above = life.void_above
        if known.is_whole:
            return known
        default = str(self._reading.spec_of_agent(agent).get("model") or UNKNOWN_MODEL)
        for raws, offset in self._reading.costly_lines(agent, life.attempt, after=known.offset):
            for entry in entries_of(raws, known.models, default_model=default):
                is_void = known.add(entry)
                if self._tell is not None:
                    self._tell(agent, entry, is_void)
            known.offset = offset
        known.is_whole = life.ended_s is not None
        return known


def _may_have_cost(status: Status, lives: Mapping[str, list[LifeSpan]]) -> bool:
    """Journals are worth reading: most programs cost nothing, and theirs may be long."""
    counts = status["counts"]
    if counts["cost_usd"] or counts["tokens"]:
        return True
    return any(life.void_above is not None for of_agent in lives.values() for life in of_agent)


class _Place(NamedTuple):
    """Says where money went. Of one life there are few."""

    task: str
    model: str
    day: str
    is_broken: bool


class _LifeSums:
    """Adds up what one life spent, up to `offset` of its journal."""

    __slots__ = ("counted", "is_whole", "last_seq", "models", "offset", "types", "void", "void_above")

    def __init__(self, void_above: int | None) -> None:
        self.void_above, self.offset, self.last_seq, self.is_whole = void_above, 0, 0, False
        self.counted, self.void = dict[_Place, Sums](), Sums()
        self.types = Counter[tuple[str, str]]()  # tokens by model and type
        self.models = dict[str, str]()

    def fits(self, void_above: int | None) -> bool:
        """The same lines of those that were read count as when they were."""
        if void_above == self.void_above:
            return True
        return all(above is None or above >= self.last_seq for above in (void_above, self.void_above))

    def add(self, entry: CostEntry) -> bool:
        """Add one line; whether it is void."""
        self.last_seq = entry.seq
        if self.void_above is not None and entry.seq > self.void_above:
            self.void.add(entry.cost_usd, entry.tokens)
            return True
        place = _Place(entry.task, entry.model, entry.day, entry.is_broken)
        sums = self.counted.get(place)
        if sums is None:
            sums = self.counted[place] = Sums()
        sums.add(entry.cost_usd, entry.tokens)
        told = 0
        for type_, count in entry.usage.items():
            self.types[entry.model, type_] += count
            told += count
        if entry.tokens > told:  # its parts were not told
            self.types[entry.model, "other"] += entry.tokens - told
        return False


class CostSums:
    """Sums while they are being made."""

    def __init__(self) -> None:
        self.total, self.broken, self.void = Sums(), Sums(), Sums()
        self._agents, self._tasks = defaultdict[str, Sums](Sums), defaultdict[str, Sums](Sums)
        self._models, self._days = defaultdict[str, Sums](Sums), defaultdict[str, Sums](Sums)
        self._types = Counter[tuple[str, str, str]]()

    def add_life(self, agent: str, life: _LifeSums) -> None:
        """Add what one life of an agent spent."""
        self.void.merge(life.void)
        for place, sums in life.counted.items():
            parts = (
                self._agents[agent],
                self._tasks[place.task],
                self._models[place.model],
                self._days[place.day],
            )
            for one in (self.total, *parts, *([self.broken] if place.is_broken else [])):
                one.merge(sums)
        for (model, type_), count in life.types.items():
            self._types[agent, model, type_] += count

    def costs(self, forecast: Forecast) -> Costs:
        """The sums, by name."""
        parts = (self._agents, self._tasks, self._models, self._days)
        agents, tasks, models, days = (
            dict(sorted(part.items(), key=lambda item: natural(item[0]))) for part in parts
        )
        return Costs(
            total=self.total,
            agents=agents,
            tasks=tasks,
            models=models,
            days=days,
            token_types=dict(sorted(self._types.items())),
            broken=self.broken,
            void=self.void,
            forecast=forecast,
        )


class SeveralCosts:
    """The sums of several orchestrations, whose readers tell it line by line.

    Forks and copies have the records of their originals: what stands in several is counted once, and if it
    counts in any of them. `shared` is what was not counted again.
    """

    def __init__(self) -> None:
        self._life, self._known, self._taken_back = _LifeSums(None), set[int](), dict[int, CostEntry]()
        self.shared = Sums()

    def take(self, agent: str, entry: CostEntry, is_void: bool) -> None:
        """Take one line."""
        line = hash((agent, entry.seq, entry.h))
        if line in self._known:
            if not is_void:
                self.shared.add(entry.cost_usd, entry.tokens)
        elif is_void:
            self._taken_back[line] = entry
        else:
            self._known.add(line)
            self._taken_back.pop(line, None)
            self._life.add(entry)

    def costs(self) -> Costs:
        """The sums; agents, whose names mean something in one orchestration only, are none of them."""
        sums = CostSums()
        sums.add_life("", self._life)
        for entry in self._taken_back.values():
            sums.void.add(entry.cost_usd, entry.tokens)
        return sums.costs(Forecast())
