"""Kind `cli`: what the runner calls, and what specs are checked against. Work imports the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from maos_sup.agents.bus.permits import Permits
from maos_sup.agents.endings import WorkOutcome
from maos_sup.agents.kinds.cli.profile import SETTINGS, Profile
from maos_sup.agents.registry import Lack
from state_layout.records import AgentSpec
from state_layout.shapes.shape import Shape
from state_layout.specs.kinds import BUILT_IN, KindTraits

if TYPE_CHECKING:
    from maos_sup.agents.work import Work


class CliKind:
    """A command line of others that writes JSON lines works on tasks."""

    traits: ClassVar[KindTraits] = BUILT_IN["cli"]
    settings: ClassVar[Shape] = SETTINGS
    inherited: ClassVar[Collection[str]] = tuple(SETTINGS.fields)  # by agents that one of this kind adds

    @staticmethod
    def permits(spec: AgentSpec) -> Permits:
        """Say what the agent's commands may ask for: anything, but files only of what they reach. Raises
        BadInput."""
        from maos_sup.agents.sandbox.confine import reach_if

        profile = Profile.of(spec.settings, agent=spec.name)
        reach = reach_if(profile.sandbox, [*profile.sandbox_read, *profile.sandbox_write])
        return Permits(reach=reach)

    @staticmethod
    def lacks(settings: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Lack]:
        """Yield the agent's program, or the sandbox, where it is lacking."""
        from maos_sup.agents.kinds.shared.needs import program_lack, sandbox_lack

        profile = Profile.of(settings, agent=str(settings.get("profile", "")))
        key = "profile" if "start_argv" not in settings else "start_argv"
        yield from program_lack(profile.start_argv[0], environment, key=key)
        yield from sandbox_lack(settings)

    def run(self, work: Work) -> WorkOutcome:
        """Work until the task is done or is to end. Raises BadInput, Damaged, StorageError."""
        from maos_sup.agents.kinds.cli.working import work_on

        return work_on(work)
