"""Says what differs between two moments, of one orchestration or of two that were one:
agent by agent, in facts.

Each side is a cut of a tree. Lines are compared by their hashes, so two futures of one past are told apart at
the first line in which they differ, without reading what they have in common twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from maos_sup.cuts.places import lines_up_to
from maos_sup.cuts.record import TeamCut
from maos_sup.cuts.shared import values_at
from state_layout.files.chain import Line
from state_layout.lives.history import History
from state_layout.paths import Tree
from state_layout.scopes.names import scope_of

Redact = Callable[[Any], Any]  # takes secrets out of a value


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A side is one of the two moments."""

    tree: Tree
    cut: TeamCut
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDifference:
    """Tells how one agent differs. `common`: lines both have; the others count what each side has after."""

    common: int
    lines: tuple[int, int]
    first: tuple[str | None, str | None]  # the first line of each side that the other has not, in words
    tasks: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)  # phases that differ
    results: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)  # of tasks
    state: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    messages: tuple[int, int] = (0, 0)  # sent after what both have
    cost_usd: tuple[float, float] = (0.0, 0.0)
    tokens: tuple[int, int] = (0, 0)

    @property
    def is_empty(self) -> bool:
        """Both sides are the same."""
        return self.lines == (0, 0)


def as_it_is(value: Any) -> Any:
    """`value` with whatever is secret in it."""
    return value


def differences(left: Side, right: Side, *, redact: Redact = as_it_is) -> dict[str, AgentDifference]:
    """Find by agent how the two sides differ; what is shortened went through `redact` before.

    Raises Damaged, StorageError.
    """
    agents = sorted({*left.cut.agents, *right.cut.agents})
    return {agent: _difference(agent, left, right, redact) for agent in agents}


def spec_differences(left: Side, right: Side) -> list[str]:
    """List the spec files whose bytes differ."""
    paths = sorted({*left.cut.specs, *right.cut.specs})
    return [rel for rel in paths if left.cut.specs.get(rel) != right.cut.specs.get(rel)]


def shared_differences(left: Side, right: Side) -> dict[str, dict[str, tuple[Any, Any]]]:
    """Find by shared scope and key the two values, where they differ; None stands for none. StorageError."""
    scopes = sorted({*(left.cut.state or {}), *(right.cut.state or {})})
    found = {scope: _changed(_values(left, scope), _values(right, scope)) for scope in scopes}
    return {scope: dict(changed) for scope, changed in found.items() if changed}


def _values(side: Side, scope: str) -> dict[str, object]:
    ends = (side.cut.state or {}).get(scope, {})
    return {key: entry.value for key, entry in values_at(side.tree, scope_of(scope), ends).items()}


def _difference(agent: str, left: Side, right: Side, redact: Redact) -> AgentDifference:
    mine, theirs = _Told(agent, left), _Told(agent, right)
    common = _common(mine.hashes, theirs.hashes)
    return AgentDifference(
        common=common,
        lines=(len(mine.hashes) - common, len(theirs.hashes) - common),
        first=(mine.line_at(common, redact), theirs.line_at(common, redact)),
        tasks=_changed(mine.tasks(), theirs.tasks()),
        results=_changed(mine.results(), theirs.results()),
        state=_changed(mine.history.state, theirs.history.state),
        messages=(mine.sent_after(common), theirs.sent_after(common)),
        cost_usd=(mine.history.cost_usd, theirs.history.cost_usd),
        tokens=(mine.history.tokens, theirs.history.tokens),
    )


class _Told:
    """Folds what one side's journal says of an agent, up to its cut; starts of attempts aside."""

    def __init__(self, agent: str, side: Side) -> None:
        self.history, self.hashes, self._sent = History(), list[str](), list[int]()
        self._agent, self._side = agent, side
        for line in self._lines():
            self.history.take(line)
            self.history.unmailed.clear()
            entry = line.fields()
            if entry["type"] != "start":
                self.hashes.append(line.end.h)
                self._sent.append(len(entry.get("sent", ())))

    def _lines(self) -> Iterator[Line]:
        each = self._side.cut.agents.get(self._agent)
        if each is not None:
            for _, line in lines_up_to(self._side.tree, self._agent, each.place):
                yield line

    def line_at(self, index: int, redact: Redact) -> str | None:
        """Word the line `index`; it is read once more, for few of many are shown."""
        if index >= len(self.hashes):
            return None
        wanted = self.hashes[index]
        found = next((line.fields() for line in self._lines() if line.end.h == wanted), None)
        if found is None:
            return None
        return words_of({name: redact(value) for name, value in found.items()})  # keys of steps as well

    def sent_after(self, index: int) -> int:
        """Count the messages that the lines from `index` on send."""
        return sum(self._sent[index:])

    def tasks(self) -> dict[str, str]:
        """Find the phase of each task."""
        return {task: outcome.phase.value for task, outcome in self.history.tasks.items()}

    def results(self) -> dict[str, object]:
        """Result by task that has one."""
        return {task: each.result for task, each in self.history.tasks.items() if each.result is not None}


def _common(left: list[str], right: list[str]) -> int:
    count = 0
    for mine, theirs in zip(left, right, strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def _changed(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    keys = sorted({*left, *right})
    return {key: (left.get(key), right.get(key)) for key in keys if left.get(key) != right.get(key)}


def words_of(entry: Mapping[str, Any]) -> str:
    """Word a line briefly."""
    names = ("task", "phase", "key", "name", "role", "note", "value", "result")
    told = [f"{name}={str(entry[name])[:60]}" for name in names if entry.get(name) is not None]
    return " ".join([f"seq {entry['seq']}", str(entry["type"]), *told])
