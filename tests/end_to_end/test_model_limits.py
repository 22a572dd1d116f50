"""Teams of models under limits: a budget for half the work, everything killed, a copy that goes on alone."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from orchestra import Orchestra
from processes import kill

from maos_sup.loopback.reply import FaultKind, PlannedFault, ReplyPace, Script, ScriptedReply
from maos_sup.loopback.request import LoopbackRequest
from maos_sup.loopback.rules import make_rules
from maos_sup.loopback.server import LoopbackServer
from state_layout.ledger import spent_by

NAMES = ("ann", "bob", "cid", "dan")
TURNS = 6  # answers that the work of one agent takes
TURN_USD = 0.002
USAGE = {"input_tokens": 1000, "output_tokens": 1000, "cache_read_input_tokens": 0}
PRICE = {"input": 1.0, "output": 1.0, "cache_read": 1.0, "cache_write": 1.0}  # a dollar a million tokens
Serve = Callable[[Script], LoopbackServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[LoopbackServer] = []

    def start(script: Script) -> LoopbackServer:
        server = LoopbackServer(script, with_bodies=True)
        servers.append(server.__enter__())
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__(None, None, None)


def work(pace: ReplyPace) -> Script:
    """Each agent runs five commands that leave a line each, and finishes."""
    usage = {**USAGE, "cache_creation_input_tokens": 0}
    step = {"tools": [{"name": "bash", "input": {"command": "echo $MAOS_CALL >> lines"}}], "usage": usage}
    end = {"tools": [{"name": "finish", "input": {"result": "done"}}], "usage": usage}
    paced = {"delay_s": pace.delay_s, "chunk_chars": pace.chunk_chars, "chunk_delay_s": pace.chunk_delay_s}
    return make_rules({"pace": paced, "rule": [{"reply": [step] * (TURNS - 1) + [end]}]})


def agents(server: LoopbackServer) -> dict[str, Any]:
    settings = {"kind": "anthropic", "model": "test-model", "base_url": server.url, "price": PRICE}
    return {name: {**settings, "max_tokens": 1000, "role": f"you are {name}"} for name in NAMES}


def spent_usd(orchestra: Orchestra) -> float:
    return sum(amount.cost_usd or 0.0 for amount in spent_by(orchestra.tree).values())


def all_paused(orchestra: Orchestra) -> bool:
    """Nobody can go on: each agent waits for money or is done."""
    found = [orchestra.agent(name) for name in NAMES]
    waiting = [agent for agent in found if agent["phase"] == "paused" and "max_cost_usd" in agent["reason"]]
    done = [agent for agent in found if agent["phase"] == "done"]
    return bool(waiting) and len(waiting) + len(done) == len(NAMES)


def answered(server: LoopbackServer) -> int:
    return len(server.log.answers("complete"))


def assert_each_command_ran_once(orchestra: Orchestra, *, unknown: int = 0) -> None:
    """No command ran twice; at most `unknown` of each agent were cut off before they ran."""
    for name in NAMES:
        calls = (orchestra.tree.agent(name).workspace / "lines").read_text().split()
        assert len(calls) == len(set(calls)), name
        assert TURNS - 1 - unknown <= len(calls) <= TURNS - 1, name


def test_budget_for_half_the_work_holds_over_kills_and_a_higher_one_finishes(
    orchestra: Orchestra, serve: Serve
) -> None:
    server = serve(work(ReplyPace(delay_s=0.05)))
    cap_usd = len(NAMES) * TURNS * TURN_USD / 2
    orchestra.start(agents(server), budget={"max_cost_usd": cap_usd})
    orchestra.wait(lambda: answered(server) >= 4, "some answers", deadline_s=40)
    orchestra.wait(lambda: not kill(*orchestra.leftovers()) and not orchestra.leftovers(), "all dead")
    orchestra.resume()
    orchestra.wait(lambda: all_paused(orchestra), "all out of money", deadline_s=40)
    assert spent_usd(orchestra) <= cap_usd + TURN_USD, "within one call of the limit"
    lost = len(server.log.requests()) - answered(server)  # cut off by the kill: counted as estimated
    assert answered(server) * TURN_USD <= cap_usd + TURN_USD
    assert (answered(server) + len(NAMES) + lost) * TURN_USD >= cap_usd - len(NAMES) * TURN_USD
    bought = len(server.log.requests())
    orchestra.wait(lambda: not kill(*orchestra.leftovers()) and not orchestra.leftovers(), "all dead")
    orchestra.resume()
    orchestra.wait(lambda: all_paused(orchestra), "all out of money again", deadline_s=40)
    assert len(server.log.requests()) == bought, "nothing is bought beyond the budget, whoever is killed"
    orchestra.do("set", "budget.max_cost_usd", "1.0")
    orchestra.wait_rest("done", deadline_s=60)
    assert_each_command_ran_once(orchestra, unknown=1)
    orchestra.assert_nothing_left()
    orchestra.assert_sound()


def test_copy_taken_mid_run_goes_on_with_every_conversation_and_so_does_the_original(
    orchestra: Orchestra, serve: Serve, tmp_path: Path
) -> None:
    server = serve(work(ReplyPace(delay_s=0.15)))
    orchestra.start(agents(server))
    orchestra.wait(lambda: answered(server) >= 8, "a third of the answers", deadline_s=40)
    (tmp_path / "elsewhere").mkdir()
    other = Orchestra(tmp_path / "elsewhere", root=tmp_path / "elsewhere" / "copy", id=orchestra.id)
    shutil.copytree(orchestra.root, other.root, symlinks=True, ignore_dangling_symlinks=True)
    orchestra.wait_rest("done", deadline_s=60)
    assert_each_command_ran_once(orchestra)
    before = len(server.log.requests())
    assert before == len(NAMES) * TURNS
    kept = Counter(str(line["turn"]) for line in server.log.requests())
    other.resume()
    other.wait_rest("done", deadline_s=60)
    again = Counter(str(line["turn"]) for line in server.log.requests()[before:])
    assert again["0"] == 0, "no conversation begins anew"
    assert sum(again.values()) < sum(kept.values()) - 4
    other.assert_sound()
    orchestra.assert_sound()


def test_rate_limit_of_one_agent_silences_all_four(orchestra: Orchestra, serve: Serve) -> None:
    script, retry_after_s = work(ReplyPace(delay_s=0.1)), 3.0

    def limited(request: LoopbackRequest) -> ScriptedReply:
        if request.number != 6:
            return script(request)
        return ScriptedReply(
            fault=PlannedFault(kind=FaultKind.ERROR, status=429, retry_after_s=retry_after_s)
        )

    server = serve(limited)
    orchestra.start(agents(server))
    orchestra.wait_rest("done", deadline_s=60)
    refused_s = server.log.answers("error")[0]["at_s"]
    after = [entry["at_s"] - refused_s for entry in server.log.requests()]
    in_flight_s = 0.5  # who was asking while the refusal was on its way
    assert not [moment for moment in after if in_flight_s < moment < retry_after_s]
    assert sum(moment >= retry_after_s for moment in after) > len(NAMES)
    assert_each_command_ran_once(orchestra)
    orchestra.assert_sound()
