"""Three models try one task of a project: all of them together have the money of one, whoever is killed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from orchestra import Orchestra
from processes import kill

from maos_sup.loopback.rules import make_rules
from maos_sup.loopback.server import LoopbackServer
from state_layout.ledger import spent_by

TRIES = ("coder-1", "coder-2", "coder-3")
TURNS, TURN_USD = 5, 0.002
USAGE = {
    "input_tokens": 1000,
    "output_tokens": 1000,
    "cache_read_input_tokens": 0,
    "cache_creation_input_tokens": 0,
}
PRICE = {"input": 1.0, "output": 1.0, "cache_read": 1.0, "cache_write": 1.0}  # a dollar a million tokens


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    step = {
        "tools": [{"name": "bash", "input": {"command": "echo $MAOS_AGENT >> lines.txt"}}],
        "usage": USAGE,
    }
    end = {"tools": [{"name": "finish", "input": {"result": "done"}}], "usage": USAGE}
    script = make_rules({"pace": {"delay_s": 0.05}, "rule": [{"reply": [step] * (TURNS - 1) + [end]}]})
    with LoopbackServer(script, with_bodies=True) as started:
        yield started


def plan(server: LoopbackServer, cap_usd: float) -> dict[str, object]:
    return {
        "kind": "anthropic",
        "model": "test-model",
        "base_url": server.url,
        "price": PRICE,
        "max_tokens": 1000,
        "role": "you try",
        "budget": {"max_cost_usd": cap_usd},
    }


def project(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.txt").write_text("1\n")
    who = ["-c", "user.name=x", "-c", "user.email=x@y.z", "-C", str(folder)]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "1"]):
        subprocess.run(["git", *who, *words], check=True)
    return folder


def all_wait_for_money(orchestra: Orchestra) -> bool:
    found = [orchestra.agent(name) for name in TRIES]
    waiting = [one for one in found if one["phase"] == "paused" and "max_cost_usd" in one["reason"]]
    return bool(waiting) and len(waiting) + sum(one["phase"] == "done" for one in found) == len(TRIES)


@pytest.mark.timeout(300)
def test_attempts_have_one_budget_together_over_kills(
    orchestra: Orchestra, server: LoopbackServer, tmp_path: Path
) -> None:
    cap_usd = TURNS * TURN_USD * 1.5  # of three times as much as they want
    orchestra.start(
        {"coder": plan(server, cap_usd)},
        [
            {
                "id": "fix",
                "agent": "coder",
                "description": "d",
                "attempts": 3,
                "choose": "wc -l < lines.txt",
            }
        ],
        project=str(project(tmp_path / "p")),
    )
    orchestra.wait(lambda: len(server.log.answers("complete")) >= 4, "some answers", deadline_s=40)
    orchestra.wait(lambda: not kill(*orchestra.leftovers()) and not orchestra.leftovers(), "all dead")
    orchestra.resume()
    orchestra.wait(lambda: all_wait_for_money(orchestra), "all out of money", deadline_s=40)
    spent = {key: amount.cost_usd or 0.0 for key, amount in spent_by(orchestra.tree).items()}
    assert sum(spent.values()) <= cap_usd + TURN_USD, spent
    assert len(server.log.answers("complete")) * TURN_USD <= cap_usd + TURN_USD
    bought = len(server.log.requests())
    reasons = {str(orchestra.agent(name)["reason"]) for name in TRIES} - {"None"}
    assert all("set ID agents/coder.budget.max_cost_usd" in reason for reason in reasons), reasons
    orchestra.do("set", "agents/coder.budget.max_cost_usd", "1.0")
    orchestra.wait_rest("done", deadline_s=60)
    assert len(server.log.requests()) > bought
    lines = subprocess.run(
        ["git", "-C", str(tmp_path / "p"), "for-each-ref", "refs/heads/maos", "--format=%(refname)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"coder", *TRIES} <= {line.rpartition("/")[2] for line in lines.stdout.split()}
    orchestra.assert_nothing_left()
    orchestra.assert_sound()
