"""Says what agents spend: an estimate is reserved before each call, what it really cost is settled after it.

Every agent writes a file of its own (`budget/<agent>.jsonl`); the cap holds over all of them, so the lock
covers exactly sum-and-reserve. A reservation that was never settled, because its agent died, counts in full:
what the provider took is not known. Follows double-entry book-keeping in spirit: nothing is ever rewritten.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from state_layout.errors import Locked, storage_error
from state_layout.files import atomic
from state_layout.files.journal import Journal, Reader
from state_layout.paths import Tree
from state_layout.records import Budget

ALL, _AND = "all", "+"
_PATIENCE_S, _POLL_S = 10.0, 0.002


def together(*agents: str) -> str:
    """Name the scope of a cap on what these agents spend together; of one that is its name.

    The cap is that of the first.
    """
    return _AND.join(agents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """An amount is money and tokens. A cost of None is unknown; sums leave it out."""

    cost_usd: float | None = 0.0
    tokens: int = 0

    def __add__(self, other: Amount) -> Amount:
        known = [cost for cost in (self.cost_usd, other.cost_usd) if cost is not None]
        return Amount(cost_usd=sum(known) if known else None, tokens=self.tokens + other.tokens)

    def to_json(self) -> dict[str, object]:
        return {"cost_usd": self.cost_usd, "tokens": self.tokens}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Amount:
        return cls(cost_usd=value.get("cost_usd"), tokens=value.get("tokens") or 0)


NOTHING = Amount()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A refusal says why a reservation was refused. `scope` is `all`, the agent's name, or that of several
    (`together`)."""

    scope: str
    what: str  # the key of the cap: max_cost_usd, max_tokens
    spent: float  # and reserved
    wanted: float
    cap: float

    def __str__(self) -> str:
        unit = "USD" if self.what == "max_cost_usd" else "tokens"
        several = self.scope.split(_AND)
        whose = f"of agents {', '.join(several)}" if len(several) > 1 else f"of agent {self.scope}"
        whose = "of all agents" if self.scope == ALL else whose
        key = "budget" if self.scope == ALL else f"agents/{several[0]}.budget"
        return (
            f"budget {whose} used up: {self.spent:.6g} of {self.cap:.6g} {unit} spent or reserved, "
            f"the next call may need {self.wanted:.6g}; raise {self.what} to go on "
            f"(maos-sup set ID {key}.{self.what} NUMBER)"
        )


@dataclass(slots=True)
class Account:
    """An account is the fold of one agent's file."""

    settled: Amount = NOTHING
    reserved: dict[str, Amount] = field(default_factory=dict)  # by key, not settled

    def take(self, entry: Mapping[str, Any]) -> None:
        """Fold one line. A second settlement of a key counts no more."""
        key, amount = entry["key"], Amount.from_json(entry)
        if entry["type"] == "reserve":
            self.reserved[key] = amount
        elif entry["type"] == "settle" and self.reserved.pop(key, None) is not None:
            self.settled += amount

    def total(self, *, but: str | None = None) -> Amount:
        """Sum all that is spent or reserved, but for the reservation `but`."""
        return sum((amount for key, amount in self.reserved.items() if key != but), self.settled)


class Ledger:
    """The spending of `agent` and, to be compared with the caps, of all others. For one thread."""

    def __init__(self, tree: Tree, agent: str) -> None:
        """Sets a torn tail of the agent's own file aside. Raises Damaged, StorageError."""
        self._tree, self._agent = tree, agent
        atomic.make_folder(tree.budget)
        self._journal = Journal.open(tree.budget_file(agent))
        self._books: dict[str, tuple[Reader, Account]] = {}

    def reserve(self, key: str, amount: Amount, *, caps: Mapping[str, Budget]) -> Refusal | None:
        """Reserve `amount` for the call `key`, durably, in place of what is reserved for it already.

        `caps` are those of `all` and of the agent's name. Returns why not, where a cap stands against it;
        then nothing changed. Raises Locked, StorageError.
        """
        with _locked(self._tree.budget_lock):
            for scope, cap in caps.items():
                refusal = _refusal(scope, self._total(scope, but=key), amount, cap)
                if refusal is not None:
                    return refusal
            self._journal.commit("reserve", {"key": key, **amount.to_json()})
        return None

    def settle(self, key: str, amount: Amount) -> None:
        """Say what the call `key` cost, durably. No harm if it is settled. Raises StorageError."""
        if key in self.open_keys():
            self._journal.commit("settle", {"key": key, **amount.to_json()})

    def open_keys(self) -> dict[str, Amount]:
        """Read the agent's own reservations that are not settled, by key. Raises StorageError."""
        return dict(self._account(self._agent).reserved)

    def close(self) -> None:
        """Close the file."""
        self._journal.close()

    def total(self, scope: str, *, but: str | None = None) -> Amount:
        """Sum what is spent or reserved in `scope`, `all` or agents, but for the agent's own call `but`.

        Raises StorageError.
        """
        return self._total(scope, but=but)

    def _total(self, scope: str, *, but: str | None) -> Amount:
        agents = _agents(self._tree) if scope == ALL else scope.split(_AND)
        return sum(
            (self._account(agent).total(but=but if agent == self._agent else None) for agent in agents),
            NOTHING,
        )

    def _account(self, agent: str) -> Account:
        """The account of `agent`, read up to now; anew if its file was replaced."""
        reader, account = self._books.get(agent, (None, Account()))
        if reader is None or not reader.stands():
            reader, account = Reader(self._tree.budget_file(agent)), Account()
            self._books[agent] = reader, account
        for line in reader:
            account.take(line.fields())
        return account


def spent_by(tree: Tree) -> dict[str, Amount]:
    """Read what each agent has spent or reserved, for viewers. Raises StorageError."""
    found: dict[str, Amount] = {}
    for agent in _agents(tree):
        account = Account()
        for line in Reader(tree.budget_file(agent)):
            account.take(line.fields())
        found[agent] = account.total()
    return found


def _agents(tree: Tree) -> list[str]:
    return sorted(path.stem for path in tree.budget.glob("*.jsonl"))


def _refusal(scope: str, spent: Amount, wanted: Amount, cap: Budget) -> Refusal | None:
    pairs = (
        ("max_cost_usd", spent.cost_usd or 0.0, wanted.cost_usd or 0.0, cap.max_cost_usd),
        ("max_tokens", spent.tokens, wanted.tokens, cap.max_tokens),
    )
    for what, before, more, most in pairs:
        if most is not None and before + more > most:
            return Refusal(scope=scope, what=what, spent=before, wanted=more, cap=most)
    return None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the short lock. Raises Locked if another holds it for very long: it was stopped in the middle."""
    deadline_s = time.monotonic() + _PATIENCE_S
    try:
        with atomic.opened(path, os.O_RDWR | os.O_CREAT) as descriptor:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline_s:
                        raise Locked(
                            f"{path}: held by another agent for {_PATIENCE_S:g} s; is it stopped?"
                        ) from None
                    time.sleep(_POLL_S)
            yield
    except OSError as cause:
        raise storage_error("lock", path, cause) from cause
