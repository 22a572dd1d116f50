"""Says what is persisted, as types. Shapes and units are those of FORMAT.md. Pure: no file is touched here.

wants      the specs, and what stands in them
phases     where tasks, agents and orchestrations stand, and how lives end
outcomes   where one task stands by its agent's records
mail       messages

Records are frozen, and have `from_json` where they are read. Lines of journals and snapshots, read key by
key, are typed dictionaries: they cost nothing, for only the type checker imports them.

attempt_lines, supervisor_lines    lines of journals
shared_lines                       of mail, budgets, shared state
snapshots                          `status.json`, `exit.json`
of_host                            what lies in `run/`
"""

from __future__ import annotations

from state_layout.records.by_name import fields_of
from state_layout.records.mail import MESSAGE_TYPES, Message
from state_layout.records.outcomes import TaskOutcome
from state_layout.records.phases import CALM_EXITS, SETTLED, AgentPhase, ExitReason, Phase, TaskPhase
from state_layout.records.wants import (
    LOCAL,
    MERGE,
    SWAP,
    AgentSpec,
    Budget,
    Channels,
    Intervals,
    Keep,
    Land,
    Limits,
    OrchestrationSpec,
    Placement,
    Restart,
    Specs,
    TaskSpec,
    Telemetry,
    Want,
    Workspace,
)

__all__ = [
    "CALM_EXITS",
    "LOCAL",
    "MERGE",
    "MESSAGE_TYPES",
    "SETTLED",
    "SWAP",
    "AgentPhase",
    "AgentSpec",
    "Budget",
    "Channels",
    "ExitReason",
    "Intervals",
    "Keep",
    "Land",
    "Limits",
    "Message",
    "OrchestrationSpec",
    "Phase",
    "Placement",
    "Restart",
    "Specs",
    "TaskOutcome",
    "TaskPhase",
    "TaskSpec",
    "Telemetry",
    "Want",
    "Workspace",
    "fields_of",
]
