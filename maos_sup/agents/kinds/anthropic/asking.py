"""Asks the model until there is a whole answer: budget, holds of the provider, troubles, one after the other.

Before each try its intent and its estimate are durable; every try of one question has the same key. A trouble
that passes is waited out, in the open: the agent shows as paused, says why and until when, its clock stands
still, and it still hears when it is wanted otherwise.
"""

from __future__ import annotations

import random
import time
from hashlib import sha256
from typing import TYPE_CHECKING

from maos_sup.agents.endings import Ended as WorkEnded
from maos_sup.agents.kinds.anthropic.answer import receive
from maos_sup.agents.kinds.anthropic.desk import ConversationDesk
from maos_sup.agents.kinds.anthropic.events import AnswerEnded
from maos_sup.agents.kinds.anthropic.model import Model
from maos_sup.agents.kinds.anthropic.spending import ConversationSpending, waste_of
from maos_sup.agents.kinds.shared.holds import Hold, hold_on, recent_tries, write_hold
from maos_sup.agents.kinds.shared.prices import blind_cap, completed_usage, untold_usage
from maos_sup.agents.kinds.shared.troubles import PERMANENT, Broken, Cause, Trouble, delay_s, in_vain
from maos_sup.agents.kinds.shared.waiting import ProviderWaits
from state_layout.files import codec
from state_layout.ledger import NOTHING, Amount

if TYPE_CHECKING:
    from maos_sup.agents.kinds.anthropic.entries import TalkEntry


class Asking:
    """Asks on behalf of one piece of work."""

    def __init__(self, desk: ConversationDesk, model: Model, spending: ConversationSpending) -> None:
        self._desk, self._model, self._spending = desk, model, spending
        self._talk, self._life = desk.talk, desk.work.life
        self._waiting = ProviderWaits(desk.work)

    def ask(self, question: dict[str, object], *, purpose: str) -> TalkEntry:
        """Ask, and give what the line must say that makes the blocks an answer: these are journaled on
        return.

        Raises Broken for a trouble that does not pass, kind.Ended if the work is to end or pause,
        StorageError.
        """
        self._close_old_try()
        key, troubles = self._key(purpose), 0
        while True:
            expected = self._spending.expected(self._talk, question)
            estimate = self._spending.amount(expected)
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
                last = self._break_off_for(trouble)
                if last is not None:
                    self._give_up()
                    raise Broken(last) from broken
                self._waiting.until(until_s, trouble.text)
            except WorkEnded as told:
                self._break_off(f"told to end: {told.ending.name.lower()}")
                raise
            else:
                return self._bill(key, ended, expected) | {"blocks": count, "stop_reason": ended.stop_reason}

    def settle(self, key: str) -> None:
        """The answer is recorded: say what it cost."""
        self._spending.settle(key, self._talk.costs[key])

    # -- one try

    def _key(self, purpose: str) -> str:
        """Make the key of a question, the same for every try of it, in whichever life."""
        if self._talk.request is not None and self._talk.request.purpose != purpose:
            self._give_up()
        task = self._desk.work.task
        return f"{task.id}#{task.run}/{self._talk.n}/{purpose}"

    def _give_up(self) -> None:
        """No answer will come: what the tries cost is all."""
        request = self._talk.request
        if request is not None:
            self._spending.settle(request.key, request.waste)

    def _record(self, type_: str, fields: TalkEntry) -> None:
        task = self._desk.work.task
        entry: TalkEntry = {"task": task.id, "run": task.run, "n": self._talk.n, **fields}
        with self._life.bell.shielded():
            self._life.recorder.commit(type_, entry)
            self._talk.take({"type": type_, **entry})

    def _close_old_try(self) -> None:
        """Break off what an earlier life asked and did not hear the end of."""
        request = self._talk.request
        if request is not None and request.is_under_way:
            self._break_off("the process died")

    def _break_off_for(self, trouble: Trouble) -> Trouble | None:
        """The try ended by `trouble`: what to end the task with, None if the question is asked again."""
        request = self._talk.request
        was_asked = trouble.was_asked and trouble.status in (None, 200)
        has_begun = request is not None and request.usage is not None
        is_answer = has_begun or trouble.cause is Cause.NOT_UNDERSTOOD
        self._break_off(trouble.text, was_asked=was_asked, cause=trouble.cause if is_answer else None)
        if trouble.cause in PERMANENT:
            return trouble
        return in_vain(trouble, request.in_vain.get(trouble.cause, 0)) if request is not None else None

    def _break_off(self, why: str, *, was_asked: bool = True, cause: Cause | None = None) -> None:
        """Record that the try got no whole answer; `cause`: why, if one was under way, which is paid."""
        request = self._talk.request
        if request is None:
            return
        waste = waste_of(request, self._spending, was_asked=was_asked)
        fields: TalkEntry = {"key": request.key, "why": why, "waste": waste.to_json(), **_effects(waste)}
        if cause is not None:
            fields["cause"] = cause.value
        self._record("broken", fields)

    def _bill(self, key: str, ended: AnswerEnded, expected: dict[str, int]) -> TalkEntry:
        """Make the bill of the answer; as was expected, where its server does not say what it used."""
        request = self._talk.request
        chars = request.streamed_chars if request is not None else 0
        guessed = completed_usage(ended.usage, expected, chars=chars)
        fields: TalkEntry = {"key": key, "usage": ended.usage}
        if guessed is not None:
            fields["expected_usage"] = guessed
            self._life.warn_once(untold_usage(self._model.provider))
        amount = self._spending.amount(ended.usage if guessed is None else guessed)
        fields |= _effects(amount)
        if amount.cost_usd is None:
            fields["cost"] = "unknown"
        return fields

    # -- waits

    def _held_until(self, trouble: Trouble, count: int) -> float:
        """Say until when to wait, monotonic; a limit is told to everybody at once."""
        tree, provider = self._life.tree, self._model.provider
        if trouble.cause is Cause.LIMIT:
            count = max(count, recent_tries(tree, provider))
        until_s = time.monotonic() + delay_s(trouble, count, chance=random.random())
        if trouble.cause is Cause.LIMIT:
            hold = Hold(provider=provider, until_s=until_s, reason=trouble.text, tries=count)
            write_hold(tree, self._life.agent, hold)
        return until_s

    def _wait_for_budget(self, key: str, estimate: Amount) -> None:
        """Reserve, waiting while the budget is used up; a cap that holds nothing is said once."""
        if self._spending.is_blind():
            self._life.warn_once(blind_cap(self._desk.settings.model))
        request = self._talk.request
        waste = request.waste if request is not None and request.key == key else NOTHING
        self._waiting.for_budget(lambda: self._spending.reserve(key, waste=waste, estimate=estimate))


def _header(key: str, question: dict[str, object]) -> str:
    """Make the key of a question for its server: another question never has the same."""
    return sha256(key.encode() + codec.encode(question)).hexdigest()[:32]


def _effects(amount: Amount) -> TalkEntry:
    """Make what of a journal line adds to the agent's totals; an unknown cost adds nothing to them."""
    told: TalkEntry = {"tokens": amount.tokens}
    return told if amount.cost_usd is None else told | {"cost_usd": amount.cost_usd}
