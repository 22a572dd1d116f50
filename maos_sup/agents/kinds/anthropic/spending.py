"""Says what a question may cost and did cost: estimates, reservations, and the wait when the budget is
used up.
"""

from __future__ import annotations

from collections.abc import Mapping

from maos_sup.agents.kinds.anthropic.conversation import Conversation, Request
from maos_sup.agents.kinds.anthropic.settings import Settings
from maos_sup.agents.kinds.shared.caps import caps_in_force
from maos_sup.agents.kinds.shared.prices import CHARS_A_TOKEN, broken_usage, cost_usd, is_priced, tokens_of
from maos_sup.agents.work import Work
from state_layout.files import codec
from state_layout.ledger import NOTHING, Amount, Ledger, Refusal
from state_layout.records import Budget

_LEAST_OUTPUT = 512  # tokens: what an answer is expected to have at least


class ConversationSpending:
    """The object spends the money of one agent's work on one task."""

    def __init__(self, work: Work, settings: Settings) -> None:
        """Raises Damaged, StorageError."""
        self._work, self._settings = work, settings
        self._ledger = Ledger(work.life.tree, work.life.agent)
        self._largest_output = _LEAST_OUTPUT

    def amount(self, usage: Mapping[str, int]) -> Amount:
        """Price `usage`."""
        cost = cost_usd(self._settings.model, usage, price=self._settings.price)
        return Amount(cost_usd=cost, tokens=tokens_of(usage))

    def expected(self, talk: Conversation, question: Mapping[str, object]) -> dict[str, int]:
        """Expect about what `question` may use: what was said before as read from the cache, the rest as
        new.

        An answer is expected to be at most twice as long as the longest so far, for a reservation of the
        longest possible one would keep other agents from spending what is left.
        """
        self._largest_output = max(self._largest_output, talk.output_tokens)
        length = int(len(codec.encode([question.get("system"), question.get("messages")])) / CHARS_A_TOKEN)
        total = max(length, talk.input_tokens)  # history only grows
        known = min(total, talk.input_tokens)
        return {
            "cache_read_input_tokens": known,
            "input_tokens": total - known,
            "output_tokens": min(self._settings.max_tokens, 2 * self._largest_output),
        }

    def reserve(self, key: str, *, waste: Amount, estimate: Amount) -> Refusal | None:
        """Reserve for one more try; `waste` is what earlier ones took. Raises Locked, StorageError."""
        return self._ledger.reserve(key, waste + estimate, caps=self._caps())

    def settle(self, key: str, amount: Amount) -> None:
        """Say what the question cost in the end. Raises StorageError."""
        self._ledger.settle(key, amount)

    def settle_old(self, talk: Conversation) -> None:
        """Settle what an earlier life learned the cost of and did not settle. Raises StorageError."""
        for key in self._ledger.open_keys():
            if key in talk.costs:
                self._ledger.settle(key, talk.costs[key])

    def is_blind(self) -> bool:
        """A cap in USD is in force and nobody knows what the model costs."""
        has_cap = any(cap.max_cost_usd is not None for cap in self._caps().values())
        return has_cap and not is_priced(self._settings.model, price=self._settings.price)

    def close(self) -> None:
        """Close the ledger."""
        self._ledger.close()

    def _caps(self) -> dict[str, Budget]:
        return caps_in_force(self._work.life.specs, self._work.spec)


def waste_of(request: Request, spending: ConversationSpending, *, was_asked: bool = True) -> Amount:
    """Price a try that broke off, as the budget and the agent's totals count it.

    The server's own count of the prompt and the length of what came; without such a count, the whole estimate
    (or nothing, if the question never reached it).
    """
    if not was_asked:
        return NOTHING
    usage = broken_usage(request.usage or {}, chars=request.streamed_chars)
    return request.estimate if usage is None else spending.amount(usage)
