"""A callable whose turns are steps; it tells the recorder what it was promised, each time it was.

`think` may be started again at any step. A turn that began and whose end nobody knows is passed over, never
done again: the agent's `on_uncertain` is `raise`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

from proof.recorder import tell

from maos_sup.agents.callable.context import Uncertain

TURNS = int(os.environ.get("TURNS", "5"))
PACE_S = 0.04


def think(ctx: Any) -> dict[str, Any]:
    tell("attempt", ctx.agent, ctx.attempt)
    tell("takes", ctx.agent)
    lost = 0
    for turn in range(1, TURNS + 1):
        try:
            told = ctx.step(f"turn-{turn}", take_turn, ctx, turn)
        except Uncertain:
            lost += 1
            surely(ctx, f"lost-{turn}", int, turn)
            continue
        tell("step", ctx.agent, ctx.task.id, f"turn-{turn}", told)
        for to, text in told["sent"]:
            tell("said", ctx.agent, to, text)
        ctx.progress(turn / TURNS)
    key, rest = surely(ctx, "rest", take_rest, ctx)
    tell("step", ctx.agent, ctx.task.id, key, rest)
    return {"lost": lost}


def take_turn(ctx: Any, turn: int) -> dict[str, Any]:
    """One turn: done once, whatever dies."""
    tell("done outside", ctx.agent, ctx.task.id, f"turn-{turn}")
    ctx.state["turn"] = turn
    time.sleep(PACE_S)  # a turn takes its time: so that kills and cuts meet it
    took = take(ctx)
    peers = os.environ["PEERS"].split()
    sent = [
        [peers[(turn + shift) % len(peers)], f"{ctx.agent} turn {turn}.{shift}"] for shift in range(turn % 3)
    ]
    for to, text in sent:
        ctx.send(to, text)
    return {"took": took, "sent": sent}


def take(ctx: Any) -> list[list[Any]]:
    took = [[message.to, message.sender, message.seq, message.text] for message in ctx.inbox()]
    for box, sender, seq, text in took:
        tell("saw", ctx.agent, box, sender, seq, text)
    return took


def surely(ctx: Any, key: str, function: Callable[..., Any], *args: Any) -> tuple[str, Any]:
    """A step that may be done again, and the key under which it was: one whose end nobody knows is not it."""
    for number in count(1):
        with suppress(Uncertain):
            return f"{key}-{number}", ctx.step(f"{key}-{number}", function, *args)
    raise AssertionError("unreachable")


def take_rest(ctx: Any) -> dict[str, Any]:
    return {"took": take(ctx), "sent": []}
