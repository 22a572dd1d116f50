"""A team of models on the shipped example: all is killed twice, and nothing is bought or done twice."""

from __future__ import annotations

import os
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from orchestra import REPOSITORY, Orchestra
from processes import kill

from maos_sup.loopback.reply import ReplyPace, ScriptedReply
from maos_sup.loopback.request import LoopbackRequest
from maos_sup.loopback.rules import load_rules
from maos_sup.loopback.server import LoopbackServer
from state_layout.ledger import spent_by
from state_layout.lives.attempts import all_lines

EXAMPLE = REPOSITORY / "examples" / "model_team"
AGENTS = ("developer", "tester", "writer", "reviewer")


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    rules = load_rules(EXAMPLE / "replies.toml")

    def script(request: LoopbackRequest) -> ScriptedReply:
        return replace(rules(request), pace=ReplyPace(chunk_chars=10, chunk_delay_s=0.03))

    with LoopbackServer(script, with_bodies=True) as made:
        yield made


def repository(folder: Path) -> Path:
    """A git repository with one commit."""
    demo = folder / "demo"
    demo.mkdir()
    git(demo, "init", "-q")
    git(demo, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "Begin")
    return demo


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def lines(orchestra: Orchestra, agent: str, type_: str) -> list[dict[str, Any]]:
    """The journal lines of a type, of all lives."""
    found = (line.fields() for line in all_lines(orchestra.tree, agent) if type_.encode() in line.raw)
    return [fields for fields in found if fields["type"] == type_]


def bought(orchestra: Orchestra) -> set[tuple[str, int]]:
    """The answers on record, as agent and place in its conversation."""
    return {
        (agent, number)
        for agent in AGENTS
        for number, line in enumerate(
            line for line in lines(orchestra, agent, "turn") if line["role"] == "assistant"
        )
    }


def asked_for(entry: dict[str, Any]) -> tuple[str, int]:
    """Find which answer a request is for."""
    agent = str(entry["body"]["system"]).split("agent '")[1].split("'")[0]
    return agent, entry["turn"]


def kill_everything(orchestra: Orchestra) -> None:
    """kill -9 of the supervisor, the zygote, the agents and whatever they run."""
    orchestra.wait(lambda: not kill(*orchestra.leftovers()) and not orchestra.leftovers(), "all dead")


SEEDS = (1, 2, 3, 4) if "MAOS_SUP_TORTURE_ROUNDS" in os.environ else (1,)


@pytest.mark.parametrize("seed", SEEDS)
def test_team_of_models_is_killed_twice_and_finishes(
    orchestra: Orchestra, server: LoopbackServer, tmp_path: Path, seed: int
) -> None:
    chance, demo = random.Random(seed), repository(tmp_path)
    orchestra.environment["ANTHROPIC_BASE_URL"] = server.url
    plan, root = str(EXAMPLE / "plan.toml"), str(orchestra.root)
    orchestra.cli("run", plan, "--project", str(demo), "--dir", root, "--yes", "--detach", expect=0)
    for goal in (chance.randint(1, 4), chance.randint(5, 8)):
        orchestra.wait(lambda goal=goal: len(bought(orchestra)) >= goal, f"{goal} answers", deadline_s=40)
        kill_everything(orchestra)
        before, count = bought(orchestra), len(server.log.requests())
        orchestra.resume()
        orchestra.wait(lambda count=count: len(server.log.requests()) > count, "a request", deadline_s=40)
        assert not before & {asked_for(entry) for entry in server.log.requests()[count:]}
    orchestra.wait_rest("done", deadline_s=60)
    made = set(git(demo, "show", "--name-only", "--format=").split())
    assert made == {"ROMAN.md", "roman.py", "test_roman.py"}
    assert git(demo, "log", "--oneline").count("\n") == 2
    assert orchestra.task("review")["result"]["verdict"] == "accepted"
    calls = [(agent, line["id"]) for agent in AGENTS for line in lines(orchestra, agent, "tool_call")]
    assert set(Counter(calls).values()) == {1}
    shown = [entry for entry in server.log.requests() if asked_for(entry) == ("tester", 1)]
    news = str(shown[-1]["body"]["messages"])
    assert news.count("ValueError otherwise") == 1
    assert not [entry for entry in server.log.entries if entry["what"] == "refused"]
    assert all(amount.cost_usd for amount in spent_by(orchestra.tree).values())
    orchestra.assert_nothing_left()
    orchestra.assert_sound()
