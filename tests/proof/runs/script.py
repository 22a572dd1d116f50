"""A short run in one process: a seeded sequence of deeds of three agents, a supervisor and a person.

Everything that is ever recorded happens in it at least now and then: steps with messages, marks and state,
light records, raw output and control lines, checkpoints, settled tasks, calm ends, kills with all that was
unsynced still in the cache, spec edits, people's mail, money. The order is drawn by the seed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from maos_sup.core.model import Delay, Submit
from state_layout.files import disk
from state_layout.ledger import Amount, Ledger
from state_layout.mail.operator_mail import append_operator_message
from state_layout.paths import Tree
from state_layout.records import Budget
from state_layout.specs.edit import edit_spec
from state_layout.tree.making import create_tree

from ..actor import Actor, Overseer
from ..recorder import tell

AGENTS = ("ann", "bob", "cat")
CAP_USD = 1000.0
TASKS = (1, 2)  # of each agent; when all are settled it is not started again


def run(root: Path, seed: int, *, deeds: int = 60, settles: bool = True) -> None:
    """Make a tree at `root` and do `deeds` in it; without settling a task nobody comes to an end before."""
    _Script(root, Random(seed)).run(deeds, {**_DEEDS, "settle": _DEEDS["settle"] * settles})


def make_tree(root: Path) -> Tree:
    tree = create_tree(
        root,
        orchestration={"id": "proof", "request": "prove it", "want": "run"},
        agents={agent: {"kind": "command", "shell": "true"} for agent in AGENTS},
        tasks={f"{agent}-{n}": {"agent": agent, "description": "work"} for agent in AGENTS for n in TASKS},
    )
    tell("made", sorted(AGENTS))
    return tree


class _Script:
    actor: type[Actor] = Actor

    def __init__(self, root: Path, chance: Random) -> None:
        self._chance = chance
        self._tree = make_tree(root)
        self._actors: dict[str, Actor] = {}
        self._overseer: Overseer | None = None
        self._count = 0
        self._tasks: dict[str, str] = {}
        self._settled: set[str] = set()

    def run(self, deeds: int, chances: dict[str, int]) -> None:
        self._supervise()
        for agent in AGENTS:
            self._live(agent)
        names, weights = zip(*chances.items(), strict=True)
        for name in self._chance.choices(names, weights, k=deeds):
            agent = self._chance.choice(AGENTS)
            if not self._open_tasks(agent):
                continue
            if agent not in self._actors:
                self._live(agent)
            getattr(self, f"_{name}")(self._actors[agent])
        for actor in self._actors.values():
            actor.die()
        if self._overseer is not None:
            self._overseer.die()

    # -- lives

    def _live(self, agent: str) -> None:
        assert self._overseer is not None
        self._overseer.act(Submit(agent=agent, attempt=self._number()))
        tell("takes", agent)
        actor = self._actors[agent] = self.actor(self._tree, agent)
        self._begin_next(actor)

    def _begin_next(self, actor: Actor) -> None:
        self._tasks[actor.agent] = self._open_tasks(actor.agent)[0]
        actor.begin_task(self._tasks[actor.agent])

    def _open_tasks(self, agent: str) -> list[str]:
        return [f"{agent}-{n}" for n in TASKS if f"{agent}-{n}" not in self._settled]

    def _kill(self, actor: Actor) -> None:
        self._actors.pop(actor.agent).die()

    def _haste(self, actor: Actor) -> None:
        """A life ends with a line that nobody synced; the next one reads it and goes on from there."""
        actor.light(self._number() / 1000)
        self._kill(actor)
        self._live(actor.agent)
        self._step(self._actors[actor.agent])

    def _park(self, actor: Actor) -> None:
        self._actors.pop(actor.agent).park()

    def _supervise(self, _: Actor | None = None) -> None:
        if self._overseer is not None:
            self._overseer.die()
        self._overseer = Overseer(self._tree)
        self._overseer.accept()

    def _delay(self, actor: Actor) -> None:
        assert self._overseer is not None
        agent, number = actor.agent, actor.number
        self._overseer.act(Delay(agent=agent, attempt=number, reason="lost", delay_s=0.1, ages_s=(0.0,)))

    # -- work

    def _step(self, actor: Actor) -> None:
        sends = [(to, self._text(actor)) for to in self._peers(actor)]
        effects: dict[str, Any] = {"state": {"set": {"n": self._number()}, "deleted": []}, "tokens": 1}
        actor.step(self._tasks[actor.agent], f"s{self._number()}", self._count, *sends, **effects)

    def _take(self, actor: Actor) -> None:
        limit = self._chance.choice((None, None, 1, 2))
        actor.take(self._tasks[actor.agent], f"t{self._number()}", limit)

    def _tool(self, actor: Actor) -> None:
        """Something that must not be done twice; the life may end before its result is recorded."""
        key = f"x{self._number()}"
        actor.intend(self._tasks[actor.agent], key)
        if self._chance.random() < 0.3:
            self._kill(actor)
        else:
            actor.step(self._tasks[actor.agent], key, "tool result")

    def _light(self, actor: Actor) -> None:
        actor.light(self._number() / 1000)

    def _say(self, actor: Actor) -> None:
        actor.say(f"line {self._number()}\ndiscovery: {self._text(actor)}\n".encode())
        if self._chance.random() < 0.7:
            actor.understand()

    def _control(self, actor: Actor) -> None:
        to = self._peers(actor, least=1)[0]
        actor.say(
            b'{"send":{"to":"%b","text":"%b"}}\n' % (to.encode(), self._text(actor).encode()), control=True
        )
        if self._chance.random() < 0.7:
            actor.understand()

    def _progress(self, actor: Actor) -> None:
        """A control line whose record nobody waits for: it becomes durable with the next one."""
        actor.say(b'{"progress":%f}\n' % (self._number() / 1000), control=True)
        if self._chance.random() < 0.7:
            actor.understand()

    def _save(self, actor: Actor) -> None:
        """Output that means nothing to anybody is synced by this alone."""
        actor.say(f"line {self._number()}\n".encode())
        actor.save_output()

    def _checkpoint(self, actor: Actor) -> None:
        actor.checkpoint()

    def _settle(self, actor: Actor) -> None:
        """Settle a task, go on with the next; without one nobody starts this agent again."""
        task = self._tasks[actor.agent]
        self._step(actor)
        actor.understand(is_final=True)
        self._settled.add(task)
        actor.settle(task, "done")
        if self._open_tasks(actor.agent):
            self._begin_next(actor)
        else:
            self._park(actor)

    # -- people and money

    def _echo(self, actor: Actor) -> None:
        """A line that a person appends by hand: nobody syncs it but its reader."""
        path = self._tree.mail_file(actor.agent, "operator")
        descriptor = disk.create(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        disk.write(descriptor, b'{"text":"echo %d"}\n' % self._number())
        os.close(descriptor)

    def _person(self, actor: Actor) -> None:
        text = f"person {self._number()}"
        append_operator_message(self._tree, actor.agent, text=text)
        tell("person", actor.agent, text)

    def _edit(self, actor: Actor) -> None:
        role = f"role {self._number()}"
        edit_spec(self._tree, self._tree.agent_spec(actor.agent), lambda spec: {**spec, "role": role})
        tell("edited", actor.agent, role)
        assert self._overseer is not None
        if self._chance.random() < 0.7:
            self._overseer.accept()

    def _spend(self, actor: Actor) -> None:
        key = f"k{self._number()}"
        ledger = Ledger(self._tree, actor.agent)
        with suppress(OSError):
            refusal = ledger.reserve(
                key, Amount(cost_usd=2.0, tokens=2), caps={"all": Budget(max_cost_usd=CAP_USD)}
            )
            assert refusal is None
            tell("reserved", actor.agent, key, 2.0)
            if self._chance.random() < 0.7:
                ledger.settle(key, Amount(cost_usd=1.0, tokens=1))
                tell("spent", actor.agent, key, 1.0)
        ledger.close()

    # -- how

    def _number(self) -> int:
        self._count += 1
        return self._count

    def _text(self, actor: Actor) -> str:
        return f"{actor.agent} says {self._number()}"

    def _peers(self, actor: Actor, *, least: int = 0) -> list[str]:
        peers = [agent for agent in (*AGENTS, "all") if agent != actor.agent]
        return self._chance.sample(peers, self._chance.randint(least, 2))


_DEEDS = {
    "step": 14,
    "take": 12,
    "tool": 5,
    "light": 4,
    "say": 6,
    "control": 5,
    "progress": 4,
    "save": 3,
    "checkpoint": 8,
    "settle": 5,
    "haste": 3,
    "echo": 3,
    "kill": 6,
    "park": 3,
    "supervise": 2,
    "delay": 2,
    "person": 4,
    "edit": 2,
    "spend": 4,
}
