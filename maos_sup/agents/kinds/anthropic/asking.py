"""Asks the model until there is a whole answer: budget, holds of the provider, troubles, one after the other.

Before each try its intent and its estimate are durable; every try of one question has the same key. A trouble
that passes is waited out, in the open: the agent shows as paused, says why and until when, its clock stands
still, and it still hears when it is wanted otherwise.
"""

from __future__ import annotations

import random
import time
from hashlib import sha256
from typing import Any

from maos_sup.agents.kind import Ended as WorkEnded
from maos_sup.agents.kinds.anthropic.answer import receive
from maos_sup.agents.kinds.anthropic.conversation import Entry
from maos_sup.agents.kinds.anthropic.desk import Desk
from maos_sup.agents.kinds.anthropic.events import Ended
from maos_sup.agents.kinds.anthropic.model import Model
from maos_sup.agents.kinds.anthropic.spending import Spending, waste_of
from maos_sup.agents.kinds.models.holds import Hold, hold_on, write_hold
from maos_sup.agents.kinds.models.troubles import PERMANENT, Broken, Cause, Trouble, delay_s
from maos_sup.agents.kinds.models.waiting import Waiting
from state_layout.files import codec
from state_layout.ledger import NOTHING, Amount


class Asking:
    """Asks on behalf of one piece of work."""

    def __init__(self, desk: Desk, model: Model, spending: Spending) -> None:
        self._desk, self._model, self._spending = desk, model, spending
        self._talk, self._life = desk.talk, desk.work.life
        self._waiting = Waiting(desk.work)

    def ask(self, question: dict[str, Any], *, purpose: str) -> Entry:
        """What the line must say that makes the blocks an answer, which are journaled when this returns.

        Raises Broken for a trouble that does not pass, kind.Ended if the work is to end or pause,
        StorageError.
        """
        self._close_old_try()
        key, troubles = self._key(purpose), 0
        while True:
            estimate = self._spending.estimate(self._talk, question)
            self._wait_for_budget(key, estimate)
            self._waiting.for_provider(self._model.provider)
            self._record("request", {"purpose": purpose, "key": key, "estimate": estimate.to_json()})
            if hold_on(self._life.tree, self._model.provider) is not None:
                self._break_off("the provider is to be left alone", was_asked=False)
                continue
            try:
                events = self._model.ask(question, key=_header(key, question))
                ended, count = receive(self._desk, events, key=key)
            except Broken as broken:
                trouble, troubles = broken.trouble, troubles + 1
                until_s = self._held_until(trouble, troubles)
                self._break_off(trouble.text, was_asked=trouble.was_asked and trouble.status in (None, 200))
                if trouble.cause in PERMANENT:
                    self._give_up()
                    raise
                self._waiting.until(until_s, trouble.text)
            except WorkEnded as told:
                self._break_off(f"told to end: {told.ending.name.lower()}")
                raise
            else:
                return self._bill(key, ended) | {"blocks": count, "stop_reason": ended.stop_reason}

    def settle(self, key: str) -> None:
        """The answer is recorded: say what it cost."""
        self._spending.settle(key, self._talk.costs[key])

    # -- one try

    def _key(self, purpose: str) -> str:
        """The same for every try of the same question, in whichever life."""
        if self._talk.request is not None and self._talk.request.purpose != purpose:
            self._give_up()
        task = self._desk.work.task
        return f"{task.id}#{task.run}/{self._talk.n}/{purpose}"

    def _give_up(self) -> None:
        """No answer will come: what the tries cost is all."""
        request = self._talk.request
        if request is not None:
            self._spending.settle(request.key, request.waste)

    def _record(self, type_: str, fields: Entry) -> None:
        task = self._desk.work.task
        entry = {"task": task.id, "run": task.run, "n": self._talk.n, **fields}
        with self._life.bell.shielded():
            self._life.ledger.commit(type_, entry)
            self._talk.take({"type": type_, **entry})

    def _close_old_try(self) -> None:
        """What an earlier life asked and did not hear the end of."""
        request = self._talk.request
        if request is not None and request.is_under_way:
            self._break_off("the process died")

    def _break_off(self, why: str, *, was_asked: bool = True) -> None:
        request = self._talk.request
        if request is None:
            return
        waste, is_known = waste_of(request, self._spending, was_asked=was_asked)
        fields: Entry = {"key": request.key, "why": why, "waste": waste.to_json()}
        if is_known:
            fields |= _effects(waste)
        self._record("broken", fields)

    def _bill(self, key: str, ended: Ended) -> Entry:
        amount = self._spending.amount(ended.usage)
        unknown = {"cost": "unknown"} if amount.cost_usd is None else {}
        return {"key": key, "usage": ended.usage, **_effects(amount), **unknown}

    # -- waits

    def _held_until(self, trouble: Trouble, count: int) -> float:
        """Until when to wait, monotonic; a limit is told to everybody at once."""
        until_s = time.monotonic() + delay_s(trouble, count, chance=random.random())
        if trouble.cause is Cause.LIMIT:
            hold = Hold(provider=self._model.provider, until_s=until_s, reason=trouble.text)
            write_hold(self._life.tree, self._life.agent, hold)
        return until_s

    def _wait_for_budget(self, key: str, estimate: Amount) -> None:
        """Reserve, waiting while the budget is used up."""
        request = self._talk.request
        waste = request.waste if request is not None and request.key == key else NOTHING
        self._waiting.for_budget(lambda: self._spending.reserve(key, waste=waste, estimate=estimate))


def _header(key: str, question: dict[str, Any]) -> str:
    """The key of a question for its server: another question never has the same."""
    return sha256(key.encode() + codec.encode(question)).hexdigest()[:32]


def _effects(amount: Amount) -> Entry:
    """What of a journal line adds to the agent's totals; an unknown cost adds nothing to them."""
    told: Entry = {"tokens": amount.tokens}
    return told if amount.cost_usd is None else told | {"cost_usd": amount.cost_usd}
