"""Says what a cut reads beside the journals of agents: their budgets, and the supervisor's own journal.

Whoever looks again reads what was added, as with journals: a supervisor that lives for weeks has long ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from state_layout.errors import StorageError
from state_layout.files import codec
from state_layout.files.chain import Position, Run
from state_layout.files.journal import Reader
from state_layout.ledger import NOTHING, Account, Amount
from state_layout.lives.numbers import numbers_in
from state_layout.paths import Tree

_AT_ONCE = 64  # lines decoded together


class Beside:
    """The budgets and the supervisor's journal of `tree`, each read up to where it ended last."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._books: dict[str, tuple[Reader, Account]] = {}
        self._life: tuple[int, Reader] | None = None

    def spent(self) -> Amount:
        """Add up what all agents have spent or reserved by now. Raises StorageError."""
        self._books = dict(self._read_on())
        return sum((account.total() for _, account in self._books.values()), NOTHING)

    def ends(self) -> dict[str, Position]:
        """Tell where the file of each agent that spends ended when `spent` was asked."""
        return {agent: reader.position for agent, (reader, _) in self._books.items()}

    def _read_on(self) -> Iterator[tuple[str, tuple[Reader, Account]]]:
        for path in sorted(self._tree.budget.glob("*.jsonl")):
            reader, account = self._books.get(path.stem, (Reader(path), Account()))
            if not reader.stands():
                reader, account = Reader(path), Account()
            for entry in _entries(reader.runs()):
                account.take(entry)
            yield path.stem, (reader, account)

    def supervisor_place(self) -> tuple[int, int, int, str] | None:
        """Life, number, offset and hash of the last line of the newest supervisor that wrote any."""
        with suppress(OSError, StorageError):
            for life in reversed(numbers_in(self._tree.lives)):
                reader = self._reader_of(life)
                for _ in reader.runs():
                    pass
                if reader.position.seq:
                    self._life = life, reader
                    return (life, *reader.position)
        return None

    def _reader_of(self, life: int) -> Reader:
        if self._life is not None and self._life[0] == life and self._life[1].stands():
            return self._life[1]
        return Reader(self._tree.life_journal(life))


def _entries(runs: Iterable[Run]) -> Iterator[dict[str, object]]:
    for run in runs:
        for start in range(0, len(run.raws), _AT_ONCE):
            yield from codec.decode_objects(run.raws[start : start + _AT_ONCE])
