"""A callable under torture (kind `python`): each turn is a step that receives, sends, counts in its state.

`sprint` is a task that waits for its own word to end: it settles when the test wants one settled.
"""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Any

from outside import Ledger, is_over, report_elders, write_all


@cache
def ledger_of(agent: str) -> Ledger:
    """The one ledger of this process."""
    return Ledger(agent)


def think(ctx: Any) -> dict[str, Any]:
    """Take turns until the test wants an end; how many."""
    ledger = ledger_of(ctx.agent)
    report_elders()
    while True:
        told = ctx.step("turn", take_turn, ctx, ledger)
        if told["turn"] > ledger.last("done", "turn"):
            ledger.done("turn", told["turn"])
        if told["over"]:
            return {"turns": told["turn"]}


def take_turn(ctx: Any, ledger: Ledger) -> dict[str, Any]:
    """One turn: it may be begun many times, but is done once."""
    ledger.intend("turn begun")
    turn = ctx.state["turn"] = ctx.state.get("turn", 0) + 1
    write_all(1, f"turn {turn}\n".encode())
    took = [[message.sender, message.to, message.seq, message.body["n"]] for message in ctx.inbox()]
    for to in peers_of(turn):
        n = ctx.state[f"to {to}"] = ctx.state.get(f"to {to}", 0) + 1
        ctx.send(to, body={"n": n})
    time.sleep(float(os.environ.get("PACE_S", "0.03")))
    return {"turn": turn, "took": took, "over": is_over(ctx.task.id)}


def peers_of(turn: int) -> list[str]:
    """Whom this turn writes to: some turns nobody, some several."""
    peers = os.environ["PEERS"].split()
    return [peer for index, peer in enumerate(peers) if turn % (index + 2) == 0]


def sprint(ctx: Any) -> dict[str, Any]:
    """Settle when told to."""
    ledger = ledger_of(ctx.agent)
    report_elders()
    n = ledger.intend(ctx.task.id)
    while not is_over(ctx.task.id):
        time.sleep(0.01)
    ledger.done(ctx.task.id, n)
    return {"tries": n}
