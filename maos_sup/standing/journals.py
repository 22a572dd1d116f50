"""The one fallback: what an agent's snapshot would say, made anew from its journals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from state_layout.errors import LayoutError
from state_layout.paths import Tree
from state_layout.records import TaskOutcome

if TYPE_CHECKING:
    from state_layout.records.snapshots import AgentSnapshot


class Journaled(Struct, frozen=True, kw_only=True):
    """The journals of one agent say this. `status` has the keys of a snapshot, but for its tasks."""

    status: AgentSnapshot
    outcomes: Mapping[str, TaskOutcome]
    notes: tuple[str, ...] = ()  # what was ignored or clamped, or why nothing can be said
    is_known: bool = False  # a line counts; else nothing is said


def from_journals(tree: Tree, agent: str) -> Journaled:
    """Ask the journals of `agent`. Never raises LayoutError: what is wrong stands in `notes`."""
    from state_layout.lives.attempts import recall  # most looks need no journal, and it costs 10 ms to import

    try:
        found = recall(tree, agent)
    except LayoutError as error:
        return Journaled(status={}, outcomes={}, notes=(str(error),))
    history = found.history
    if not history.seq:
        return Journaled(status={}, outcomes={}, notes=tuple(found.notes))
    status: AgentSnapshot = {
        "seq": history.seq,
        "sent": history.sent_count,
        "received": history.received,
        "discoveries": history.discoveries,
        "last_discovery": history.last_discovery,
        "artifacts": history.artifacts,
        "questions": list(history.questions.values()),
        "cost_usd": history.cost_usd,
        "tokens": history.tokens,
        "gains": history.gains,
        "figures": history.figures,
    }
    return Journaled(status=status, outcomes=history.tasks, notes=tuple(found.notes), is_known=True)
