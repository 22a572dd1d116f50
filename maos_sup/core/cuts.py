"""One moment of a whole team, found in journals that were read at different times.

A set of journal ends is *consistent* when no agent in it knows of something that its author, at the end given
for him, has not done yet: no message was read that is not sent, no task was begun whose needs are not
settled. Whoever knows too much is lowered to the line before he learned it; that may take a cause away from
others, so it goes on until nothing moves. It ends, for ends only fall. Pure. The idea is Chandy and Lamport's
of a consistent cut; no marker and no pause are needed, since each journal, send and mark has one writer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Steps = tuple[tuple[int, int], ...]  # (seq of the line, number), both rising


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A trace holds what one agent's journal, read up to the line `end`, says about what it shares with
    others.

    `base` is a line below which nothing is known in detail: where a compaction was read instead of lines.
    Every first entry may stand at `base` and sum up what came before it.
    """

    end: int
    base: int = 0
    sent: Mapping[str, Steps] = field(default_factory=dict)  # by recipient: the highest number sent
    marks: Mapping[str, Steps] = field(default_factory=dict)  # by "<box>/<sender>": the highest number read
    settled: Mapping[str, int] = field(default_factory=dict)  # by task: the line that first settled it
    began: Mapping[str, int] = field(default_factory=dict)  # by task: the line that first began it


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A cut is the lines up to which each agent is taken, and how that was found."""

    ends: Mapping[str, int]  # by agent: seq of its last line; 0: before its first
    lowered: Mapping[str, int]  # by agent: how many lines it went back; only those that did
    rounds: int
    unknown: frozenset[str]  # agents that would have to be lowered below what is known of them in detail


def consistent_cut(
    traces: Mapping[str, Trace],
    *,
    floors: Mapping[str, Mapping[str, int]] | None = None,
    needs: Mapping[str, Iterable[str]] | None = None,
) -> Cut:
    """The highest consistent ends at or below those of `traces`.

    `floors`: by sender and recipient a number up to which messages count as sent although no journal has
    them (a tree that was once resumed from a copy). `needs`: by task the tasks that must be settled before it
    begins; those that no agent of `traces` ever settled, neither below nor above its end, hold nothing back.
    A sender without a trace holds nothing back either: nothing is known about him.
    """
    search = _Search(traces, floors or {}, needs or {})
    return search.run()


class _Search:
    def __init__(
        self,
        traces: Mapping[str, Trace],
        floors: Mapping[str, Mapping[str, int]],
        needs: Mapping[str, Iterable[str]],
    ) -> None:
        self._traces, self._floors = traces, floors
        self._ends = {agent: trace.end for agent, trace in traces.items()}
        self._needs = {task: tuple(wanted) for task, wanted in needs.items()}
        self._settlers = {task: agent for agent, trace in traces.items() for task in trace.settled}
        self._unknown = set[str]()

    def run(self) -> Cut:
        rounds, moved = 0, True
        while moved:
            moved, rounds = False, rounds + 1
            for agent in self._traces:
                moved |= self._lower(agent)
        lowered = {
            agent: trace.end - self._ends[agent]
            for agent, trace in self._traces.items()
            if self._ends[agent] < trace.end
        }
        return Cut(ends=self._ends, lowered=lowered, rounds=rounds, unknown=frozenset(self._unknown))

    def _lower(self, agent: str) -> bool:
        """Lower `agent` to where it knows nothing that did not happen; whether it moved."""
        trace, end = self._traces[agent], self._ends[agent]
        allowed = min((line - 1 for line in self._too_early(agent, trace)), default=end)
        if allowed >= end:
            return False
        if allowed < trace.base:
            self._unknown.add(agent)
        self._ends[agent] = max(allowed, 0)
        return True

    def _too_early(self, agent: str, trace: Trace) -> Iterable[int]:
        """Yield the first line of each channel and need at which `agent` is ahead of its cause."""
        for key, marks in trace.marks.items():
            box, _, sender = key.partition("/")
            if sender in self._traces and sender != agent:
                line = _first_above(marks, self._sent(sender, box))
                if line is not None:
                    yield line
        for task, line in trace.began.items():
            if any(self._is_open(need, agent) for need in self._needs.get(task, ())):
                yield line

    def _sent(self, sender: str, box: str) -> int:
        """Find the highest number that `sender` has sent to `box` at its present end."""
        steps = self._traces[sender].sent.get(box, ())
        index = bisect_right(steps, self._ends[sender], key=lambda step: step[0])
        sent = steps[index - 1][1] if index else 0
        return max(sent, self._floors.get(sender, {}).get(box, 0))

    def _is_open(self, need: str, agent: str) -> bool:
        """The `need`, which another agent settled, is not settled at that agent's present end."""
        settler = self._settlers.get(need)
        if settler is None or settler == agent:
            return False
        return self._traces[settler].settled[need] > self._ends[settler]


def _first_above(steps: Steps, limit: int) -> int | None:
    """Find the line at which `steps` first exceeds `limit`."""
    index = bisect_right(steps, limit, key=lambda step: step[1])
    return steps[index][0] if index < len(steps) else None


def in_flight(
    traces: Mapping[str, Trace], ends: Mapping[str, int], *, readers: Iterable[str]
) -> dict[str, int]:
    """By "<box>/<sender>" how many numbers were sent and, at `ends`, not read yet by the owner of the box.

    `readers` are the agents whose boxes are counted; broadcasts are counted for each reader as
    "all/<sender>", the most that any of them has not read.
    """
    counts, wanted = dict[str, int](), dict.fromkeys(readers)
    for sender, trace in traces.items():
        for box, steps in trace.sent.items():
            sent, key = _at(steps, ends[sender]), f"{box}/{sender}"
            for reader in wanted if box == "all" else [box] if box in wanted else ():
                mine = traces.get(reader) if reader != sender else None
                read = _at(mine.marks.get(key, ()), ends[reader]) if mine else 0
                if sent > read and reader != sender:
                    counts[key] = max(counts.get(key, 0), sent - read)
    return counts


def _at(steps: Steps, end: int) -> int:
    index = bisect_right(steps, end, key=lambda step: step[0])
    return steps[index - 1][1] if index else 0
