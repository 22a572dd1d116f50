"""Says what a command line spends: reserved before each question as far as it lets us, settled after it."""

from __future__ import annotations

from collections.abc import Mapping

from maos_sup.agents.kinds.shared.caps import caps_in_force
from maos_sup.agents.kinds.shared.memory import RunMemory
from maos_sup.agents.kinds.shared.prices import cost_usd, tokens_of
from maos_sup.agents.work import Work
from state_layout.ledger import NOTHING, Amount, Ledger, Refusal
from state_layout.records import Budget

_CHARS_A_TOKEN = 3.5
_LEAST_OUTPUT = 512  # tokens: what an answer is expected to have at least
_NEW_INPUT = 1000  # tokens: what results and messages are expected to add to a prompt


class Spending:
    """The object spends the money of one agent's work on one task."""

    def __init__(self, work: Work, *, price: Mapping[str, float] | None, model: str | None) -> None:
        """The `price` is in USD a million tokens and goes before tables. Raises Damaged, StorageError."""
        self._work, self._price = work, price
        self._ledger = Ledger(work.life.tree, work.life.agent)
        self.model = model  # as last heard of
        self.believes_costs = False  # that it is told, where no table has the model
        self.first_tokens = 0  # what a first prompt is expected to have
        self.reserved: str | None = None  # the key of a reservation for a question that was not asked yet
        self._turns = 0  # answers when that was reserved

    def amount(self, usage: Mapping[str, int], *, model: str | None = None) -> Amount:
        """Price `usage`."""
        name = model or self.model
        if name is None and self._price is None:
            return Amount(cost_usd=None, tokens=tokens_of(usage))
        return Amount(cost_usd=cost_usd(name or "", usage, price=self._price), tokens=tokens_of(usage))

    @property
    def trusts_costs(self) -> bool:
        """A program's word on what it cost goes before tables."""
        return self.believes_costs and self._price is None

    def estimate(self, memory: RunMemory, *, new_chars: int = 0) -> Amount:
        """Estimate what the next question may cost: what was said before is read from the cache."""
        return self.amount(self.expected(memory, new_chars=new_chars))

    def expected(self, memory: RunMemory, *, new_chars: int = 0) -> dict[str, int]:
        """Expect the usage of `estimate`."""
        known = memory.input_tokens
        return {
            "cache_read_input_tokens": known,
            "input_tokens": (_NEW_INPUT if known else self.first_tokens) + int(new_chars / _CHARS_A_TOKEN),
            "output_tokens": max(_LEAST_OUTPUT, 2 * memory.largest_output),
        }

    def reserve(self, memory: RunMemory, *, new_chars: int = 0) -> Refusal | None:
        """Reserve for the next question, unless that is done. Raises Locked, StorageError."""
        key = memory.key
        if self.reserved == key and self._turns == memory.turns:
            return None
        amount = self._lost(memory) + self.estimate(memory, new_chars=new_chars)
        refusal = self._ledger.reserve(key, amount, caps=self._caps())
        if refusal is None:
            self.reserved, self._turns = key, memory.turns
        return refusal

    def asked(self, memory: RunMemory) -> None:
        """The next question is under way: see to it that something is reserved for it, whatever the caps."""
        if self.reserved != memory.key:
            self._ledger.reserve(memory.key, self._lost(memory) + self.estimate(memory), caps={})
        self.reserved = None

    def keep(self, memory: RunMemory) -> None:
        """No question is under way: what was lost, or is told later, stays reserved and nothing more."""
        if self._ledger.open_keys().get(memory.key, NOTHING) != self._lost(memory):
            self._ledger.reserve(memory.key, self._lost(memory), caps={})
        self.reserved = None

    def settle(self, key: str, amount: Amount) -> None:
        """Say what the question cost in the end, asked or not. Raises StorageError."""
        if self.reserved == key:
            self.reserved = None
        if key not in self._ledger.open_keys():
            self._ledger.reserve(key, amount, caps={})
        self._ledger.settle(key, amount)

    def release(self, memory: RunMemory) -> None:
        """No question follows: give back what was reserved for one."""
        if self.reserved == memory.key and self._lost(memory) != NOTHING:
            self.keep(memory)  # settled with the answer that comes in the end: once
        elif self.reserved is not None:
            self.settle(self.reserved, memory.waste.get(self.reserved, NOTHING))

    def open(self, key: str) -> Amount | None:
        """Find what an earlier life reserved for `key` and did not settle. Raises StorageError."""
        return self._ledger.open_keys().get(key)

    def settle_old(self, memory: RunMemory) -> None:
        """Settle what an earlier life learned the cost of and did not settle. Raises StorageError."""
        for key in self._ledger.open_keys():
            if key in memory.costs:
                self._ledger.settle(key, memory.costs[key])

    def fence_usd(self, memory: RunMemory) -> float | None:
        """Find what the program may spend at most before it stops itself; None without a cap.

        That is what is left and one question more: the answer at which it stops is kept, but what its calls
        came to is not told to the model, so to stop before that is our affair.
        """
        lefts = []
        for scope, cap in self._caps().items():
            if cap.max_cost_usd is not None:
                spent = self._ledger.total(scope, but=self.reserved).cost_usd or 0.0
                lefts.append(cap.max_cost_usd - spent)
        one_more = self.estimate(memory).cost_usd or 0.0
        return min(lefts) + one_more if lefts else None

    def has_usd_cap(self) -> bool:
        """A cap in USD is in force for this agent or all."""
        return any(cap.max_cost_usd is not None for cap in self._caps().values())

    def close(self) -> None:
        """Close the ledger."""
        self._ledger.close()

    def _lost(self, memory: RunMemory) -> Amount:
        """Sum what was spent under the next key already: waste, and answers whose cost is told later."""
        return memory.waste.get(memory.key, NOTHING) + memory.unpriced

    def _caps(self) -> dict[str, Budget]:
        return caps_in_force(self._work.life.specs, self._work.spec)
