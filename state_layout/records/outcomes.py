"""Says where one task stands, as its agent records it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from state_layout.records.by_name import known_fields
from state_layout.records.phases import TaskPhase


class TaskOutcome(Struct, frozen=True, kw_only=True):
    """The outcome says where a task stands in an agent's records (journal `task`, `status.json`)."""

    phase: TaskPhase
    run: int = 1
    attempts: int = 0
    progress: float | None = None
    result: Any = None
    error: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    elapsed_s: float = 0.0

    def __post_init__(self) -> None:
        """Raises TypeError: it is made of what anybody may have written, and compared and shown by many."""
        counts = (self.run, self.attempts, self.exit_code or 0, self.signal or 0)
        amounts = (self.elapsed_s, self.progress or 0.0)
        if not all(type(count) is int for count in counts):
            raise TypeError("run, attempts, exit_code and signal are whole numbers")
        if not all(type(amount) in (int, float) and math.isfinite(amount) for amount in amounts):
            raise TypeError("elapsed_s and progress are numbers")
        if not isinstance(self.error, str | None):
            raise TypeError("error is text")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TaskOutcome:
        """Raises ValueError, KeyError or TypeError for what is no outcome."""
        return cls(**{**known_fields(cls, value), "phase": TaskPhase(value["phase"])})
