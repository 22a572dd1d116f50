"""Says who pays: a row for each kind that asks a model, and a run's books, the server's beside the tree's."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real_cast import Cast
from real_rows import KEY, PRICE, ROWS, USAGE, Row

from maos_sup.loopback.reply import ReplyPace, ScriptedReply, fail, say
from maos_sup.loopback.request import LoopbackRequest

STEPS = 6
PACE = ReplyPace(delay_s=0.05, chunk_chars=4, chunk_delay_s=0.02)
OUTPUT_TOKENS = USAGE["output_tokens"]  # of each answer


def _anthropic_agent(url: str) -> dict[str, Any]:
    return {"model": "m", "base_url": url, "price": PRICE, "stall_s": 30}


def _claude_agent(url: str) -> dict[str, Any]:
    return {"model": "claude-sonnet-4-6", "base_url": url, "price": PRICE, "sandbox": "none"}


def _with_key(url: str, folder: Path) -> Mapping[str, str]:
    return {"ANTHROPIC_API_KEY": KEY, "CLAUDE_CODE_DISABLE_TERMINAL_TITLE": "1"}


PAYERS = {
    "anthropic": Row(
        kind="anthropic",
        profile="",
        program=None,
        agent=_anthropic_agent,
        environment=_with_key,
        shell_tool="bash",
        command_key="command",
        shell_more={},
    ),
    "claude": Row(
        kind="claude",
        profile="",
        program="claude-code",
        agent=_claude_agent,
        environment=_with_key,
        shell_tool="Bash",
        command_key="command",
        shell_more={"description": "a step"},
    ),
    **ROWS,
}


def spender(
    cast: Cast, faults: Mapping[int, int], *, steps: int = STEPS
) -> Callable[[LoopbackRequest], ScriptedReply]:
    """A model that has so many commands run; `faults`: statuses by the number of the question."""

    def script(request: LoopbackRequest) -> ScriptedReply:
        if request.number in faults:
            return fail(faults[request.number], retry_after_s=0.2)
        if request.turn >= steps:
            return say("All steps are done, and each is paid for.", usage=USAGE, pace=PACE)
        return cast.row.shell(f"echo {request.number} >> ran", pace=PACE)

    return script


class Chaos:
    """Disturbs the orchestration of `cast`, at moments that `chance` chooses."""

    def __init__(self, cast: Cast, chance: random.Random) -> None:
        self._cast, self._one, self._chance = cast, cast.orchestra, chance
        self.cuts = 0  # what may have cut an answer

    def after_a_question(self, action: str) -> bool:
        """Wait for one more question, then for a moment, then do `action`; whether it came before the end."""
        asked = len(self._cast.asked())
        self._cast.wait(lambda: len(self._cast.asked()) > asked or self._one.phase() == "done", "a question")
        time.sleep(self._chance.uniform(0.0, 0.5))  # a moment, not a wait
        if self._one.phase() == "done":
            return False
        getattr(self, f"_{action}")()
        return True

    def _agent(self) -> None:
        pid = self._one.pids().get("ann")
        if pid is not None:
            self.cuts += 1
            self._cast.kill(pid)

    def _supervisor(self) -> None:
        pid = self._one.supervisor()
        if pid is not None:
            self._cast.kill(pid)
            self._one.wait(lambda: self._one.supervisor() != pid, "its end")
        if self._one.supervisor() is None:
            self._one.resume()

    def _all(self) -> None:
        self.cuts += 1
        self._cast.kill_all()
        self._one.resume()

    def _pause(self) -> None:
        self.cuts += 1
        self._one.do("pause")
        self._cast.wait(lambda: self._one.phase() in ("paused", "done"), "paused")
        self._one.do("start")


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Tokens of one run. The server's: what it charged; the tree's: what it has of that, by name."""

    charged: int  # all that the server asks for, cut answers included
    delivered: int  # of it: for answers that it sent to their end
    prompts: int  # of it: the prompts of answers that were cut
    known: int  # answers on record whose usage was told
    wasted: int  # questions without an answer, each with its reason
    guessed: int  # answers on record whose usage nobody told
    ledger: int
    told: Mapping[str, Any]  # what `cost --json` says

    @classmethod
    def of(cls, cast: Cast) -> Books:
        turns = [entry for entry in cast.journal("turn") if entry["role"] == "assistant"]
        broken = cast.journal("broken")
        assert all(entry["why"] and "waste" in entry for entry in broken)
        keys = [entry.get("message") or entry.get("key") or entry["seq"] for entry in turns]
        assert len(keys) == len({*map(str, keys)}) or cast.row.kind == "cli", keys
        answers = [entry for entry in cast.server.log.answers() if entry["number"] not in cast.titles]
        cut = [entry for entry in answers if entry["outcome"] != "complete" and "charged" in entry]
        known = sum(entry["tokens"] for entry in turns if any((entry.get("usage") or {}).values()))
        return cls(
            charged=cast.charged(),
            delivered=sum(_tokens(entry) for entry in cast.answers()),
            prompts=sum(_tokens(entry) - entry["charged"]["output_tokens"] for entry in cut),
            known=known,
            wasted=sum(entry["waste"]["tokens"] for entry in broken),
            guessed=sum(entry["tokens"] for entry in turns) - known,
            ledger=cast.spent(),
            told=json.loads(cast.orchestra.cli("cost", str(cast.orchestra.root), "--json", expect=0).stdout),
        )


def _tokens(answer: Mapping[str, Any]) -> int:
    return sum(answer["charged"].values())
