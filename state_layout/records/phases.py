"""Says where tasks, agents and orchestrations stand, and how lives of agents end: the words on disk."""

from __future__ import annotations

from enum import StrEnum


class TaskPhase(StrEnum):
    """The phase says where a task stands. The first five are derived, the others are recorded outcomes or
    work under way."""

    WAITING = "waiting"  # a need is not done yet
    READY = "ready"
    PAUSED = "paused"  # wanted so, not begun
    BLOCKED = "blocked"  # a need failed or was cancelled
    SKIPPED = "skipped"
    RUNNING = "running"
    ASKING = "asking"
    INTERRUPTED = "interrupted"  # its attempt ended, it will go on
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AgentPhase(StrEnum):
    """The phase says where an agent stands, as `status` shows it."""

    WAITING = "waiting"  # none of its tasks is ready; it has no process, or stays (`intervals.linger_s`)
    QUEUED = "queued"  # no process: a task is ready, no slot is free
    STARTING = "starting"
    RUNNING = "running"
    SLOW = "slow"  # beats, without progress for long
    HUNG = "hung"  # no beat
    BACKOFF = "backoff"  # died, will be restarted
    PARKED = "parked"  # the process ended: nothing ready
    PAUSED = "paused"
    ASKING = "asking"
    STOPPED = "stopped"
    FAILED = "failed"  # given up
    DONE = "done"  # all its tasks are settled


class Phase(StrEnum):
    """The phase says where an orchestration stands."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # wanted to run, no supervisor alive


class ExitReason(StrEnum):
    """The reason says how a life of an agent ended (`exit.json`)."""

    PARKED = "parked"
    PAUSED = "paused"
    ASKING = "asking"
    STOPPED = "stopped"
    FAILED = "failed"
    DISK_FULL = "disk_full"
    DAMAGED = "damaged"
    POISONED = "poisoned"
    LOST = "lost"


SETTLED = frozenset({TaskPhase.DONE, TaskPhase.FAILED, TaskPhase.CANCELLED})
CALM_EXITS = frozenset({ExitReason.PARKED, ExitReason.PAUSED, ExitReason.ASKING, ExitReason.STOPPED})
