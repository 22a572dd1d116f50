"""A run in one process about shared state: agents and a person who change the same few values, and look.

Changes by compare-and-set, each under a name; some are asked for again by a later life; some writers die when
their line is written and not durable, or durable and not in their journal. Beside it what `script` does.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from maos_sup.agents.attempt.shared import Asker, KeptValue
from state_layout.files import disk
from state_layout.records import AgentSpec
from state_layout.scopes.lines import Version
from state_layout.scopes.names import Scope
from state_layout.scopes.store import ScopeStore

from ..actor import Actor
from ..recorder import tell
from .script import _DEEDS, _Script

SCOPES = (Scope("orchestration"), Scope("custom", "plan"))
KEYS = ("a", "b", "c")
GRANTS = {"write": ["orchestration", "custom:*"]}


def run(root: Path, seed: int, *, deeds: int = 60) -> None:
    """Make a tree at `root` and do `deeds` in it."""
    _Shared(root, Random(seed)).run(deeds, DEEDS)


class _Killed(BaseException):
    """Ends a deed in the middle."""


class _Shared(_Script):
    def _live(self, agent: str) -> None:
        super()._live(agent)
        spec = AgentSpec(name=agent, kind="command", state=GRANTS)
        self._actors[agent].recorder.spec = lambda: spec

    def _keep(self, actor: Actor) -> None:
        """Change a value as somebody does who has looked at it, and say so in a step."""
        kept = self._changed(actor, f"k{self._number()}")
        if kept is not None:
            actor.step(self._tasks[actor.agent], f"s{self._number()}", None, **kept.effects)

    def _half(self, actor: Actor) -> None:
        """The change is made, and the life ends before the step is recorded."""
        self._changed(actor, f"k{self._number()}")
        self._kill(actor)

    def _cut_off(self, actor: Actor) -> None:
        """The life ends when the line is written and not durable; who reads it then makes it so."""
        real, disk.fdatasync = disk.fdatasync, _die
        try:
            self._changed(actor, f"k{self._number()}", is_told=False)
        except _Killed:
            pass
        finally:
            disk.fdatasync = real
        self._kill(actor)

    def _again(self, actor: Actor) -> None:
        """A later life asks again for what was acknowledged to an earlier one."""
        done = self._done.get(actor.agent, [])
        if done:
            scope, key, value, name = self._chance.choice(done)
            actor.recorder.shared.save(scope, key, value, self._asker(actor, name))

    def _look(self, actor: Actor) -> None:
        scope, key = self._chance.choice(SCOPES), self._chance.choice(KEYS)
        kept = actor.recorder.shared.load(scope, key, self._asker(actor, "look"))
        if kept is not None and kept.version is not None:
            tell("looked", actor.agent, str(scope), [*kept.version])
            actor.step(self._tasks[actor.agent], f"s{self._number()}", kept.value, **kept.effects)

    def _put_by_hand(self, actor: Actor) -> None:
        """A person's change, by command."""
        scope, key, value = self._chance.choice(SCOPES), self._chance.choice(KEYS), self._number()
        people = self._people.get(scope)  # one who stays sees what is new when he has the lock
        if people is None:
            folder = self._tree.state_scope(scope.sort, scope.owner)
            people = self._people[scope] = ScopeStore(folder, "operator")
        written = people.put(key, value, token=f"p{value}")
        over = None if written.before is None else [*written.before.version]
        tell("kept", "operator", str(scope), key, value, [*written.version], f"p{value}", over)

    @property
    def _people(self) -> dict[Scope, ScopeStore]:
        return self.__dict__.setdefault("_people_by", {})  # type: ignore[no-any-return]

    @property
    def _done(self) -> dict[str, list[tuple[Scope, str, Any, str]]]:
        return self.__dict__.setdefault("_done_by", {})  # type: ignore[no-any-return]

    def _changed(self, actor: Actor, name: str, *, is_told: bool = True) -> KeptValue | None:
        scope, key, value = self._chance.choice(SCOPES), self._chance.choice(KEYS), self._number()
        shared, asker = actor.recorder.shared, self._asker(actor, name)
        before = shared.load(scope, key, asker)
        over: Version | None = before.version if before else None
        if self._chance.random() < 0.2:
            over = Version("nobody", 1, "000000000000")  # it comes too late
        kept = shared.save(scope, key, value, asker, over=over)
        if kept.lost is not None:
            return None
        version = [] if kept.version is None else [*kept.version]
        if is_told:
            tell("kept", actor.agent, str(scope), key, value, version, asker.token, over and [*over])
            self._done.setdefault(actor.agent, []).append((scope, key, value, name))
        return kept

    def _asker(self, actor: Actor, name: str) -> Asker:
        return Asker(task=self._tasks[actor.agent], run=1, step=name, token=f"{actor.agent}/{name}")


def _die(descriptor: int) -> None:
    raise _Killed


DEEDS: dict[str, int] = {
    **{name: _DEEDS[name] for name in ("step", "take", "checkpoint", "kill", "supervise")},
    "light": 14,
    **{"keep": 26, "half": 6, "cut_off": 6, "again": 8, "look": 16, "put_by_hand": 8},
}
