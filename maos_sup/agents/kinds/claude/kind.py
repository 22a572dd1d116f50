"""Kind `claude`: what the runner calls, and what specs are checked against. Work imports the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from maos_sup.agents.kind import Outcome
from maos_sup.agents.kinds.claude.settings import SETTINGS
from state_layout.shapes.shape import Shape

if TYPE_CHECKING:
    from maos_sup.agents.work import Work


class ClaudeKind:
    """Claude Code, working on tasks."""

    settings: ClassVar[Shape] = SETTINGS
    tells_mail: ClassVar[bool] = True

    def run(self, work: Work) -> Outcome:
        """Work until the task is done or is to end. Raises BadInput, Damaged, StorageError."""
        from maos_sup.agents.kinds.claude.working import work_on

        return work_on(work)
