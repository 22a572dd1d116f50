"""Kind `anthropic`: what the runner calls, and what specs are checked against. Work imports the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from maos_sup.agents.bus.permits import Permits
from maos_sup.agents.endings import WorkOutcome
from maos_sup.agents.kinds.anthropic.settings import SETTINGS, Settings
from maos_sup.agents.registry import Lack
from state_layout.records import AgentSpec
from state_layout.shapes.shape import Shape
from state_layout.specs.kinds import BUILT_IN, KindTraits

if TYPE_CHECKING:
    from maos_sup.agents.work import Work

_HERE = "maos_sup.agents.kinds.anthropic"


class AnthropicKind:
    """A model works on tasks with tools."""

    traits: ClassVar[KindTraits] = BUILT_IN["anthropic"]
    settings: ClassVar[Shape] = SETTINGS
    preload: ClassVar[tuple[str, ...]] = (f"{_HERE}.working", f"{_HERE}.warm")

    @staticmethod
    def permits(spec: AgentSpec) -> Permits:
        """Say what the agent's commands may ask for. Raises BadInput."""
        from maos_sup.agents.sandbox.confine import reach_if

        settings = Settings.of(spec)
        return Permits(
            offered=settings.tools,
            allowed=settings.allowed_tools,
            approve=settings.approve,
            reach=reach_if(settings.sandbox, [*settings.sandbox_read, *settings.sandbox_write]),
        )

    @staticmethod
    def lacks(settings: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Lack]:
        """Yield somebody to ask, the package that asks, or the sandbox, where it is lacking."""
        from maos_sup.agents.kinds.anthropic.model import HOW_TO_GET_ONE, HOW_TO_GET_SDK, PROVIDERS
        from maos_sup.agents.kinds.shared.needs import sandbox_lack

        if not settings.get("base_url") and not any(environment.get(name) for name in PROVIDERS):
            yield Lack(key="base_url", text=HOW_TO_GET_ONE)
        if find_spec("anthropic") is None:
            yield Lack(key="kind", text=HOW_TO_GET_SDK)
        yield from sandbox_lack(settings)

    def run(self, work: Work) -> WorkOutcome:
        """Talk until the task is done or is to end. Raises BadInput, Damaged, StorageError."""
        from maos_sup.agents.kinds.anthropic.working import work_on

        return work_on(work)
