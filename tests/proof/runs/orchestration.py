"""A whole orchestration: the command line, a supervisor, agents as processes, programs, a model, a person.

Everything runs as people run it, with the recorder in each Python; some of it is killed on the way, at
places drawn by the seed, and resumed. Then it comes to its end.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from orchestra import Orchestra
from processes import kill

from maos_sup.loopback.reply import ScriptedReply
from maos_sup.loopback.request import LoopbackRequest
from maos_sup.loopback.rules import make_rules
from maos_sup.loopback.server import LoopbackServer
from state_layout.mail.operator_mail import append_operator_message
from state_layout.specs.edit import edit_spec

from .. import TESTS
from ..recorder import VARIABLE, start, tell

PROGRAMS = TESTS / "proof" / "programs"
THINKERS, WORKER, MODEL = ("theo", "thea"), "will", "ann"
RESTART = {"max": 1000, "window_s": 60, "backoff_s": 0.01, "backoff_max_s": 0.05}
PRICE = {"input": 1.0, "output": 1.0, "cache_read": 1.0, "cache_write": 1.0}


class Team(Orchestra):
    """The orchestration of a proof; with a `log` it is recorded."""

    def __init__(self, folder: Path, *, root: Path | None = None, log: Path | None = None) -> None:
        super().__init__(folder, root=root)
        paths = [str(PROGRAMS.parent / "site"), str(TESTS), self.environment["PYTHONPATH"]]
        self.environment["PYTHONPATH"] = ":".join(paths)
        self.environment["ANTHROPIC_API_KEY"] = "none"
        if log is not None:
            self.environment[VARIABLE] = str(log)

    def begin(self, *, model_url: str | None) -> list[str]:
        """`run --detach`; the agents."""
        shutil.copy(PROGRAMS / "working.py", self.folder)
        shutil.copy(PROGRAMS / "thinking.py", self.folder)
        names = [*THINKERS, WORKER, *([MODEL] if model_url else [])]
        agents = {name: self._agent(name, names, model_url) for name in names}
        tasks = [{"id": f"{name}-1", "agent": name, "description": f"work of {name}"} for name in names]
        limits = {"timeout_s": 1000, "hang_s": 60, "stop_grace_s": 2}
        intervals = {"checkpoint_s": 0.1, "save_s": 0.1}
        self.start(agents, tasks, limits=limits, intervals=intervals)
        tell("made", names)
        return names

    def _agent(self, name: str, names: list[str], model_url: str | None) -> dict[str, Any]:
        peers = [peer for peer in (*names, "all") if peer != name]
        env = {"PEERS": " ".join(peers)}
        common = {"env": env, "restart": RESTART}
        if name in THINKERS:
            return {"kind": "python", "callable": "thinking:think", "on_uncertain": "raise", **common}
        if name == WORKER:
            return {"kind": "command", "command": [sys.executable, "working.py"], **common}
        model = {"model": "test-model", "base_url": model_url, "price": PRICE, "sandbox": "none"}
        return {"kind": "anthropic", **model, **common}


def run(root: Path, seed: int, *, log: Path, with_model: bool) -> None:
    """Make an orchestration whose tree is `root`, live through some kills, come to the end."""
    chance = Random(seed)
    folder = root.with_name(f"{root.name}-outside")
    folder.mkdir()
    start(log)
    team = Team(folder, root=root, log=log)
    try:
        with model_server(tell_what_is_asked) if with_model else nobody() as url:
            _live_through(team, team.begin(model_url=url), chance)
    finally:
        team.end_all()


def _live_through(team: Team, agents: list[str], chance: Random) -> None:
    for number in range(1, chance.randint(1, 4) + 1):
        time.sleep(chance.uniform(0.0, 0.15))  # the instant of the next deed is what is tried out
        _person(team, chance.choice(agents), number)
        living = sorted(team.leftovers())
        if living and chance.random() < 0.8:
            kill(*chance.sample(living, chance.randint(1, len(living))))
            team.resume()
    team.wait_rest("done", deadline_s=60)
    for task in team.status()["tasks"]:
        tell("settled", task["agent"], task["id"], str(task["phase"]))


def _person(team: Team, agent: str, number: int) -> None:
    append_operator_message(team.tree, agent, text=f"person {number}")
    tell("person", agent, f"person {number}")
    edit_spec(team.tree, team.tree.agent_spec(agent), lambda spec: {**spec, "role": f"role {number}"})
    tell("edited", agent, f"role {number}")


# -- the model


def tell_what_is_asked(request: LoopbackRequest) -> None:
    """Tell what a request shows was known to who asked."""
    tell("asked", MODEL, request.turn)


@contextmanager
def nobody() -> Iterator[None]:
    yield None


@contextmanager
def model_server(witness: Any) -> Iterator[str]:
    """A model that uses a tool, sends a message, and finishes."""
    counting = "import proof.recorder as r; r.tell('tool', 'ann', {0})"
    replies = [
        {
            "text": "I run it.",
            "tools": [{"name": "bash", "input": {"command": f'{sys.executable} -c "{counting.format(n)}"'}}],
        }
        for n in (1, 2)
    ]
    replies += [
        {"text": "discovery: all is well", "tools": [{"name": "finish", "input": {"result": "good"}}]}
    ]
    rules = make_rules({"rule": [{"reply": replies, "repeat_last": True}]})

    def script(request: LoopbackRequest) -> ScriptedReply:
        witness(request)
        return rules(request)

    with LoopbackServer(script, with_bodies=True) as server:
        yield server.url
