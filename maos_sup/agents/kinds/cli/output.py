"""The output of one process, put on record by what its profile says that lines mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from maos_sup.agents.kinds.cli.parser import USAGE, Meaning, meanings
from maos_sup.agents.kinds.cli.profile import Profile
from maos_sup.agents.kinds.cli.record import Record
from maos_sup.agents.kinds.cli.spending import Spending
from maos_sup.agents.sources import Source
from state_layout.files import codec
from state_layout.ledger import NOTHING, Amount
from state_layout.lives.history import Mark

_ORDER = (
    "session",
    "text",
    "piece",
    "tool_call",
    "tool_result",
    "tool_error",
    "warning",
    "usage",
    "result",
    "error",
)


class Output:
    """Takes the lines of one process, in order. `marks`: of the messages it was told, until it answers."""

    def __init__(self, profile: Profile, record: Record, spending: Spending, source: Source) -> None:
        self._profile, self._record, self._spending, self._source = profile, record, spending, source
        self._memory = record.memory
        self._texts: list[str] = []
        self._pieces = ""
        self._offset = source.offset
        self.marks: dict[str, Mark] = {}
        self.last_text = ""
        self.has_result = False
        self.error: str | None = None
        self.has_answered = False

    def look(self, *, is_final: bool = False) -> bool:
        """Take in what came since; whether there was any. Raises StorageError."""
        if not (self._source.has_grown() or (is_final and self._source.is_behind)):
            return False
        for piece in self._source.pieces(is_final=is_final):
            self._offset = piece.start
            for line in piece.data.splitlines(keepends=True):
                self._offset += len(line)
                for meaning in _meanings(line, self._profile):
                    _TAKES[meaning.what](self, meaning)
        return True

    def finish(self) -> None:
        """The process is gone: what it said without an end is an answer as well. Raises StorageError."""
        if self._texts or self._pieces:
            self._answer(NOTHING, {})

    def _session(self, meaning: Meaning) -> None:
        session = meaning.text("session")
        if meaning.text("model"):
            self._spending.model = meaning.text("model")
        if session and session != self._memory.session:
            self._record.commit("session", {"session": session}, at=self._at())

    def _text(self, meaning: Meaning) -> None:
        if meaning.text("text"):
            self._texts.append(meaning.text("text"))
            self._record.show(meaning.text("text"))
            self.last_text = meaning.text("text")
            self.heard()

    def _piece(self, meaning: Meaning) -> None:
        self._pieces += meaning.text("text")
        self.last_text = self._pieces
        self.heard()

    def _tool_call(self, meaning: Meaning) -> None:
        self._flush()
        self.heard()
        self._record.call(meaning.text("id"), meaning.text("name"), meaning.values.get("input"))

    def _tool_result(self, meaning: Meaning) -> None:
        if "input" in meaning.values:  # a line that tells a call and its result
            self._tool_call(meaning)
        is_error = meaning.what == "tool_error"
        content = meaning.values.get("content")
        told = "" if content is None else content
        self._record.call_result(meaning.text("id"), told, is_error=is_error, at=self._at())

    def _usage(self, meaning: Meaning) -> None:
        usage = meaning.usage
        if self._profile.usage == "cumulative":
            before = self._memory.used
            began_anew = any(usage.get(name, 0) < before.get(name, 0) for name in USAGE)
            total, usage = (
                usage,
                usage if began_anew else {n: usage.get(n, 0) - before.get(n, 0) for n in usage},
            )
            self._answer(self._amount(usage, meaning), usage, used=total)
        else:
            self._answer(self._amount(usage, meaning), usage)

    def _amount(self, usage: dict[str, int], meaning: Meaning) -> Amount:
        cost = meaning.values.get("cost_usd")
        amount = self._spending.amount(usage)
        return (
            amount
            if not isinstance(cost, int | float)
            else Amount(cost_usd=float(cost), tokens=amount.tokens)
        )

    def _result(self, meaning: Meaning) -> None:
        self._flush()
        if self._texts:
            self._answer(NOTHING, {})
        self.has_result = True
        self.last_text = meaning.text("text") or self.last_text

    def _error(self, meaning: Meaning) -> None:
        self.error = meaning.text("text") or "it said that it failed"

    def _warning(self, meaning: Meaning) -> None:
        self._record.show(f"warning: {meaning.text('text')}")

    # -- parts

    def heard(self) -> None:
        """The model answers: it was told what we said."""
        self.has_answered = True
        if self.marks:
            marks, self.marks = self.marks, {}
            self._record.commit("received", {"received": marks})

    def _flush(self) -> None:
        if self._pieces:
            self._texts.append(self._pieces)
            self._record.show(self._pieces)
            self._pieces = ""

    def _answer(self, amount: Amount, usage: dict[str, int], *, used: dict[str, int] | None = None) -> None:
        self._flush()
        self.heard()
        key, texts = self._memory.key, self._texts
        self._texts = []
        fields = {"key": key, "usage": usage} | ({} if used is None else {"used": used})
        self._record.answer(fields, texts, amount=amount, at=(self._source, self._offset))
        self._spending.settle(key, self._memory.costs[key])

    def _at(self) -> tuple[Source, int] | None:
        """Where a later life goes on; not after text that is on no record."""
        return None if self._texts or self._pieces else (self._source, self._offset)


def _meanings(line: bytes, profile: Profile) -> Iterator[Meaning]:
    try:
        value = codec.decode(line) if line.strip() else None
    except codec.NotJson:
        return
    if isinstance(value, dict):
        yield from sorted(meanings(value, profile.parser), key=lambda meaning: _ORDER.index(meaning.what))


_TAKES: dict[str, Callable[[Output, Meaning], None]] = {
    "session": Output._session,
    "text": Output._text,
    "piece": Output._piece,
    "tool_call": Output._tool_call,
    "tool_result": Output._tool_result,
    "tool_error": Output._tool_result,
    "usage": Output._usage,
    "result": Output._result,
    "error": Output._error,
    "warning": Output._warning,
}
