"""Says what the supervisor remembers after each action: the fold that both the living and the next one use.

An action is journaled as one line and remembered by the same function, so what a new life reads back is what
the old one knew. Monotonic times do not survive a process: they are carried as ages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from msgspec.structs import asdict, replace

from maos_sup.core.model import (
    Acknowledge,
    Action,
    AgentMemory,
    Delay,
    End,
    EndReason,
    Finish,
    GiveUp,
    Memory,
    Notify,
    Seal,
    Submit,
)
from state_layout.records import ExitReason, Phase, TaskOutcome, TaskPhase

if TYPE_CHECKING:
    from state_layout.records.snapshots import TaskSnapshot
    from state_layout.records.supervisor_lines import MemoryCarried, SupervisorLine

_TYPES: dict[type[Action], str] = {
    Submit: "submit",
    Seal: "seal",
    Acknowledge: "acknowledged",
    Delay: "restart",
    GiveUp: "gave_up",
    End: "end",
    Finish: "finished",
    Notify: "notified",
}
_PARK_PAUSE_S = 0.05  # an agent that parks although a task is ready is not started again in a tight loop


def remember(memory: Memory, action: Action, *, now_s: float) -> Memory:
    """Give the memory after `action`."""
    if isinstance(action, Finish):
        return memory
    if isinstance(action, Notify):
        return replace(memory, notified=memory.notified | {action.key})
    known = _agent_after(memory.of(action.agent), action, now_s)
    if isinstance(action, Acknowledge | Delay | GiveUp):
        known = replace(known, handled=max(known.handled, action.attempt), submitted=0)
    outcomes = memory.outcomes  # the same object, unless it says something else
    if isinstance(action, GiveUp):
        failed = {
            task: TaskOutcome(phase=TaskPhase.FAILED, run=run, error=action.reason)
            for task, run in action.tasks.items()
        }
        outcomes = {**outcomes, **failed}
    return replace(memory, agents={**memory.agents, action.agent: known}, outcomes=outcomes)


def agent_of(action: Action) -> str:
    """Whom `action` concerns; empty: all."""
    return "" if isinstance(action, Finish) else action.agent


def is_remembered_only(action: Action) -> bool:
    """The `action` changes nothing but memory: there is nothing to do."""
    return isinstance(action, Acknowledge | Delay)


def is_foreseen(action: Action) -> bool:
    """All that `action` changes is known before it is taken: more may be decided without a look."""
    return isinstance(action, Acknowledge | Delay | Seal)


def _agent_after(known: AgentMemory, action: Action, now_s: float) -> AgentMemory:
    match action:
        case Seal():
            return replace(known, sealed=action.attempt)
        case Submit():
            return replace(known, submitted=action.attempt, ending=None, reason=None)
        case Acknowledge():
            return replace(known, not_before_s=now_s + _PARK_PAUSE_S, reason=action.reason.value)
        case Delay():
            return replace(
                known,
                restarted_s=tuple(now_s - age for age in action.ages_s),
                not_before_s=now_s + action.delay_s,
                reason=action.reason,
                fruitless=action.fruitless,
                gains=action.gains,
            )
        case GiveUp():
            return replace(known, restarted_s=(), fruitless=0, not_before_s=0.0, reason=action.reason)
        case End():
            return replace(known, ending=action.ending, reason=action.reason)
        case _:
            return known


def forget_what_was_asked(memory: Memory) -> Memory:
    """Make the memory for a new life, or after a failure: starts, ends and seals that were journaled may
    not have been carried out.

    Whether an attempt was begun, its folder tells; an end is asked for again while the process lives; an end
    that nobody wrote down is written.
    """
    agents = {
        name: replace(known, sealed=0, submitted=0, ending=None) for name, known in memory.agents.items()
    }
    return replace(memory, agents=agents)


def forget_attempts(memory: Memory, at_most: Mapping[str, int]) -> Memory:
    """Make the memory for a copy: of ends of attempts that it has not, nothing is known."""
    agents = {
        name: replace(known, handled=min(known.handled, at_most.get(name, known.handled)))
        for name, known in memory.agents.items()
    }
    return replace(memory, agents=agents)


def to_record(action: Action) -> tuple[str, Mapping[str, object]]:
    """Make a journal line of an action: its type and fields."""
    fields = asdict(action)
    if fields.get("detail", "") is None:
        del fields["detail"]
    return _TYPES[type(action)], fields


def from_record(fields: SupervisorLine) -> Action | None:
    """Make the action of a journal line, None if it records something else."""
    agent = fields.get("agent", "")
    match fields["type"]:
        case "submit":
            return Submit(agent=agent, attempt=int(fields["attempt"]))
        case "seal":
            return Seal(agent=agent, attempt=int(fields["attempt"]), detail=fields.get("detail"))
        case "acknowledged":
            return Acknowledge(
                agent=agent, attempt=int(fields["attempt"]), reason=ExitReason(fields["reason"])
            )
        case "restart":
            return Delay(
                agent=agent,
                attempt=int(fields["attempt"]),
                reason=str(fields["reason"]),
                delay_s=float(fields["delay_s"]),
                ages_s=tuple(map(float, fields["ages_s"])),
                fruitless=int(fields.get("fruitless", 0)),
                gains=int(fields.get("gains", 0)),
            )
        case "gave_up":
            return GiveUp(
                agent=agent,
                attempt=int(fields["attempt"]),
                reason=str(fields["reason"]),
                tasks={task: int(run) for task, run in fields["tasks"].items()},
            )
        case "end":
            ending = EndReason(fields["ending"])
            return End(
                agent=agent, ending=ending, reason=str(fields["reason"]), grace_s=float(fields["grace_s"])
            )
        case "notified":
            return Notify(key=str(fields["key"]), agent=agent)
        case "finished":
            return Finish(phase=Phase(fields["phase"]))
        case _:
            return None


def memory_to_json(memory: Memory, *, now_s: float) -> MemoryCarried:
    """Tell the memory as the first line of a life carries it; moments become ages."""
    return {
        "agents": {
            name: {
                "handled": known.handled,
                "ages_s": [round(now_s - moment, 3) for moment in known.restarted_s],
                "ending": known.ending,
                "reason": known.reason,
                "fruitless": known.fruitless,
                "gains": known.gains,
            }
            for name, known in memory.agents.items()
        },
        "outcomes": {
            task: cast("TaskSnapshot", asdict(outcome)) for task, outcome in memory.outcomes.items()
        },
        **({"notified": sorted(memory.notified)} if memory.notified else {}),
    }


def memory_after(records: Iterable[Mapping[str, Any]], *, now_s: float) -> Memory | None:
    """Add up the journal lines of one life; None before its `start`.

    Raises ValueError for a line that is not as FORMAT.md says.
    """
    memory: Memory | None = None
    try:
        for record in records:
            fields = cast("SupervisorLine", record)
            carried = fields.get("memory")
            if fields["type"] == "start":
                memory = memory_from_json(carried or {}, now_s=now_s)
            elif fields["type"] == "rewound" and carried is not None:
                memory = memory_from_json(carried, now_s=now_s)
            elif memory is not None and (action := from_record(fields)) is not None:
                memory = remember(memory, action, now_s=now_s)
    except (KeyError, TypeError, AttributeError, ValueError) as cause:
        raise ValueError(f"not as FORMAT.md says: {cause!r}") from cause
    return memory


def memory_from_json(value: MemoryCarried, *, now_s: float) -> Memory:
    """Read back what `memory_to_json` wrote; a back-off that was running is over."""
    agents = {
        name: AgentMemory(
            handled=int(known["handled"]),
            restarted_s=tuple(now_s - float(age) for age in known["ages_s"]),
            ending=EndReason(known["ending"]) if known["ending"] else None,
            reason=_text(known["reason"]),
            fruitless=int(known.get("fruitless", 0)),
            gains=int(known.get("gains", 0)),
        )
        for name, known in value.get("agents", {}).items()
    }
    outcomes = {task: TaskOutcome.from_json(outcome) for task, outcome in value.get("outcomes", {}).items()}
    return Memory(agents=agents, outcomes=outcomes, notified=frozenset(map(str, value.get("notified", ()))))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
