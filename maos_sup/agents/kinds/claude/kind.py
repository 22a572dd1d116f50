"""Kind `claude`: what the runner calls, and what specs are checked against. Work imports the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from maos_sup.agents.bus.permits import Permits
from maos_sup.agents.endings import Missing, WorkOutcome
from maos_sup.agents.kinds.claude.settings import PREFIX, SETTINGS, ClaudeSettings
from maos_sup.agents.registry import Lack
from state_layout.records import AgentSpec
from state_layout.shapes.shape import Shape
from state_layout.specs.kinds import BUILT_IN, KindTraits

if TYPE_CHECKING:
    from maos_sup.agents.work import Work
    from state_layout.check.problem import Problem
    from state_layout.paths import Tree


class ClaudeKind:
    """Claude Code works on the tasks."""

    traits: ClassVar[KindTraits] = BUILT_IN["claude"]
    settings: ClassVar[Shape] = SETTINGS
    tells_mail: ClassVar[bool] = True

    @staticmethod
    def permits(spec: AgentSpec) -> Permits:
        """Say what the agent's commands may ask for: its `tools` and `allowed_tools` are not the team's."""
        from maos_sup.agents.sandbox.confine import reach_if

        settings = ClaudeSettings.of(spec)
        return Permits(
            offered=None if settings.team else (),
            approve=settings.approve,
            prefix=PREFIX,
            reach=reach_if(settings.sandbox, [*settings.sandbox_read, *settings.sandbox_write]),
        )

    @staticmethod
    def lacks(settings: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Lack]:
        """Yield Claude Code itself, or the sandbox, where it is lacking."""
        from maos_sup.agents.kinds.claude.starting import find_claude
        from maos_sup.agents.kinds.shared.needs import sandbox_lack

        try:
            find_claude(settings.get("program"), environment)
        except Missing as cause:
            yield Lack(key="program", text=str(cause))
        yield from sandbox_lack(settings)

    def run(self, work: Work) -> WorkOutcome:
        """Work until the task is done or is to end. Raises BadInput, Damaged, StorageError."""
        from maos_sup.agents.kinds.claude.working import work_on

        return work_on(work)

    @staticmethod
    def session_problems(tree: Tree, agent: str) -> Iterator[Problem]:
        """Yield what is wrong with the sessions of `agent`. Raises StorageError."""
        from maos_sup.agents.kinds.claude import checking

        return checking.session_problems(tree, agent)
