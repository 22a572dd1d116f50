"""Says what a launcher remembers of the processes it watches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from maos_sup.launchers.base import Observed
from maos_sup.system.linux import Exit
from maos_sup.system.targets import Target


@dataclass(slots=True, kw_only=True, eq=False)
class Tracked:
    """The process of an agent is tracked from its submission (or adoption) on."""

    agent: str
    root: str = ""  # of the tree; empty: adopted, not started here
    asked_s: float = 0.0  # when a zygote was asked for it
    is_owed: bool = False  # the zygote will tell how it ended
    pid: int = 0
    target: Target | None = None  # None: it has not begun, or its end and exit are known
    alive: bool = True
    end: Exit | None = None  # None while it is not known
    ended_s: float = 0.0
    error: str | None = None
    kill_at_s: float | None = None  # its end was asked for

    @property
    def observed(self) -> Observed:
        end = self.end or Exit()
        return Observed(
            pid=self.pid, alive=self.alive, exit_code=end.code, signal=end.signal, error=self.error
        )

    @property
    def has_ended(self) -> bool:
        """The agent's process is known to run no more, told or not."""
        return self.target is not None and self.target.has_ended

    def learn_end(self) -> None:
        """Find out how it ended, if that can be known yet."""
        if self.end is None and self.target is not None:
            self.end = self.target.exit()

    def let_go(self) -> None:
        """Close its descriptor."""
        if self.target is not None:
            self.target.close()
            self.target = None


@dataclass(slots=True)
class Lives:
    """The lives are the last one of every agent."""

    of: dict[str, Tracked] = field(default_factory=dict)
    observed: dict[str, Observed] = field(default_factory=dict)  # as of the last `note` of each
    asked: dict[int, Tracked] = field(
        default_factory=dict
    )  # by serial number: the zygote has not answered yet

    def note(self, life: Tracked) -> None:
        """`life` changed, or is new."""
        self.of[life.agent] = life
        self.observed[life.agent] = life.observed

    def living(self) -> set[str]:
        return {agent for agent, life in self.of.items() if life.alive}

    def living_pids(self) -> set[int]:
        return {life.pid for life in self.of.values() if life.alive and life.pid}

    def uncertain(self) -> list[Tracked]:
        """List the dead of whom it is not known yet how they ended."""
        return [life for life in self.of.values() if not life.alive and life.target is not None]

    def ending(self) -> list[Tracked]:
        """Those that run, were asked to end and have not."""
        return [life for life in self._held() if life.kill_at_s is not None]

    def unwatched(self) -> list[Tracked]:
        """List those that run and of whose end no descriptor tells."""
        return [life for life in self._held() if life.target is not None and life.target.pidfd < 0]

    def _held(self) -> Iterable[Tracked]:
        return [life for life in self.of.values() if life.alive and life.target is not None]
