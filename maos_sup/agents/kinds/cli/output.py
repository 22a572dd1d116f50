"""The output of one process, put on record by what its profile says that lines mean.

An answer whose cost is told later (by most command lines with their last word only) counts at once, with an
estimate that stays reserved until the cost is told, or becomes waste if the process dies before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path

from maos_sup.agents.kinds.cli.parser import USAGE, Meaning, meanings
from maos_sup.agents.kinds.cli.profile import Profile
from maos_sup.agents.kinds.cli.said import without_broken_tries
from maos_sup.agents.kinds.shared import prompts
from maos_sup.agents.kinds.shared.record import ProgramRecord
from maos_sup.agents.kinds.shared.spending import Spending
from maos_sup.agents.output.sources import Source
from state_layout.files import codec
from state_layout.ledger import NOTHING, Amount
from state_layout.lives.history import Mark

_ORDER = (
    *("session", "text", "piece", "tool_call", "tool_result", "tool_error"),
    *("warning", "result", "usage", "final_error", "error"),
)


class Fate(StrEnum):
    """The fate says how a process ended."""

    WELL = "well"
    FAILED = "failed"  # by itself
    KILLED = "killed"


_FATES = {Fate.FAILED: "failed", Fate.KILLED: "died"}


class ProgramOutput:
    """Takes the lines of one process, in order. `marks`: of the messages it was told, until it answers."""

    def __init__(
        self,
        profile: Profile,
        record: ProgramRecord,
        spending: Spending,
        source: Source,
        *,
        home: Path | None = None,
    ) -> None:
        """`home` is the program's own folder, if it has one."""
        self._home = home
        self._profile, self._record, self._spending, self._source = profile, record, spending, source
        self._memory = memory = record.memory
        self._texts: list[str] = []
        self._pieces = ""
        self._offset = source.offset
        self._chars = 0  # of what it said and what its tools said: its prompt grows by them
        is_of_last = memory.processes > 0 and source.attempt == memory.process_attempt
        self.is_of_open = is_of_last and memory.is_process_open
        self._prefix = f"{source.attempt}/{memory.processes}/" if is_of_last else ""
        self._is_answering = False  # an answer came in that is on no record
        self._is_asking = self.is_of_open  # a question is under way
        self._is_paid = False  # the last answer told its cost: calls that follow are its own
        self._is_warned = False
        self.marks: dict[str, Mark] = {}
        self.has_result = self.is_of_open and memory.ended_with is not None
        self.last_text = (memory.ended_with or "") if self.has_result else ""
        self.error: str | None = None
        self.status: int | None = None  # of the provider, told with the error
        self.is_refused = False  # asking again would be refused again
        self.has_answered = False
        self.has_begun = False  # it said something that we know
        self.moved_s = time.monotonic()  # when it last did so

    @property
    def is_over(self) -> bool:
        """The process said how it ended: nothing of worth follows."""
        return self.has_result or self.error is not None

    def look(self, *, is_final: bool = False) -> bool:
        """Take in what came since; whether there was any. Raises StorageError."""
        if not (self._source.has_grown() or (is_final and self._source.is_behind)):
            return False
        for piece in self._source.pieces(is_final=is_final):
            self._offset = piece.start
            for line in piece.data.splitlines(keepends=True):
                self._offset += len(line)
                self._take(line)
        return True

    def finish(self, fate: Fate) -> None:
        """The process is gone: what it said and spent without an end is on record. Raises StorageError."""
        if fate is Fate.WELL:
            self._finish_well()
        else:
            if self._is_answering:
                self._count()
            self._book_lost(fate)
        self._record.calls_interrupted(prompts.INTERRUPTED)

    # -- lines

    def _take(self, line: bytes) -> None:
        for meaning in _meanings(line, self._profile):
            self.has_begun, self.moved_s = True, time.monotonic()
            _TAKES[meaning.what](self, meaning)
        if self.has_result and self._memory.ended_with is None and self._profile.success != "exit":
            if self._is_answering:
                self._count()
            else:
                self._record.commit("end", {"value": self.last_text}, at=self._at())

    def _session(self, meaning: Meaning) -> None:
        session = meaning.text("session")
        if meaning.text("model"):
            self._spending.model = meaning.text("model")
        if session and session != self._memory.session:
            self._record.commit("session", {"session": session}, at=self._at())
        self._is_asking, self._is_paid = not self._is_answering, False

    def _text(self, meaning: Meaning) -> None:
        text = meaning.text("text")
        if text:
            self._texts.append(text)
            self._record.show(text)
            self.last_text = text
            self._answers(text)

    def _piece(self, meaning: Meaning) -> None:
        self._pieces += meaning.text("text")
        self.last_text = self._pieces
        self._answers(meaning.text("text"))

    def _tool_call(self, meaning: Meaning) -> None:
        self._flush()
        input_ = meaning.values.get("input")
        if not self._is_paid:
            self._answers(codec.encode(input_).decode())
        id_ = meaning.text("id")
        self._record.call(
            self._prefix + id_, meaning.text("name"), input_, program_id=id_ if self._prefix else None
        )

    def _tool_result(self, meaning: Meaning) -> None:
        if "input" in meaning.values:  # a line that tells a call and its result
            self._tool_call(meaning)
        content = meaning.values.get("content")
        told = "" if content is None else content
        self._chars += len(told) if isinstance(told, str) else len(codec.encode(told))
        self._record.call_result(
            self._prefix + meaning.text("id"), told, is_error=meaning.what == "tool_error", at=self._at()
        )
        if self._memory.calls:
            return
        if self._is_answering and self._profile.usage_at == "end":
            self._count()
        self._is_asking, self._is_paid = not self._is_answering, False

    def _usage(self, meaning: Meaning) -> None:
        usage, total = meaning.usage, None
        if self._profile.usage == "cumulative":
            before = self._memory.used
            began_anew = any(usage.get(name, 0) < before.get(name, 0) for name in USAGE)
            total = usage
            if not began_anew:
                usage = {name: usage[name] - before.get(name, 0) for name in usage}
        if any(usage.values()):
            self._answer(self._amount(usage, meaning), usage, used=total)
            self._is_paid = self._profile.usage_at == "answer"

    def _amount(self, usage: dict[str, int], meaning: Meaning) -> Amount:
        """Price `usage`: as we are told, unless that is 0, which means no more than "no price known"."""
        cost = meaning.values.get("cost_usd")
        amount = self._spending.amount(usage)
        if not isinstance(cost, int | float) or cost <= 0 or self._profile.price is not None:
            return amount
        return Amount(cost_usd=float(cost), tokens=amount.tokens)

    def _result(self, meaning: Meaning) -> None:
        if self._pieces:
            self._pieces = without_broken_tries(self._pieces, home=self._home, profile=self._profile)
            self.last_text = self._pieces
        self._flush()
        self.has_result = True
        self.last_text = meaning.text("text") or self.last_text

    def _error(self, meaning: Meaning) -> None:
        self.error = meaning.text("text") or self.error or "it said that it failed"
        status = meaning.text("status")
        self.status = int(status) if status.isdecimal() else self.status
        self.is_refused = self.is_refused or meaning.what == "final_error"

    def _warning(self, meaning: Meaning) -> None:
        self._record.show(f"warning: {meaning.text('text')}")

    # -- parts

    def confirm_delivery(self) -> None:
        """The model answers, or the run succeeded: the messages in its prompt were delivered."""
        self.has_answered = True
        if self.marks:
            marks, self.marks = self.marks, {}
            self._record.commit("received", {"received": marks})

    def _answers(self, text: str) -> None:
        self._chars += len(text)
        self._is_asking, self._is_answering, self._is_paid = False, True, False
        self.confirm_delivery()

    def _flush(self) -> None:
        if self._pieces:
            self._texts.append(self._pieces)
            self._record.show(self._pieces)
            self._pieces = ""

    def _count(self) -> None:
        """An answer is whole, and its cost is told later, if ever. Raises StorageError."""
        estimate = self._spending.estimate(self._memory, new_chars=self._chars)
        if not self._profile.tells_usage:
            estimate = Amount(cost_usd=None)
        self._put({"usage": {}, "estimate": estimate.to_json()}, NOTHING)

    def _answer(self, amount: Amount, usage: dict[str, int], *, used: dict[str, int] | None = None) -> None:
        """Put an answer on record, and what it and all before it cost. Raises StorageError."""
        key = self._memory.key
        fields: dict[str, object] = {"key": key, "usage": usage}
        self._put(fields | ({} if used is None else {"used": used}), amount)
        self._spending.settle(key, self._memory.costs[key])

    def _put(self, fields: dict[str, object], amount: Amount) -> None:
        self._flush()
        self.confirm_delivery()
        texts, self._texts = self._texts, []
        self._is_answering = self._is_asking = False
        said = {"end": self.last_text} if self.has_result and self._profile.success != "exit" else {}
        self._record.answer(fields | said, texts, amount=amount, at=(self._source, self._offset))

    def _finish_well(self) -> None:
        """It came to its end: what it did not tell the cost of costs what we think."""
        if not (self._is_answering or self._memory.unpriced_turns):
            return
        amount = self._memory.unpriced
        if self._is_answering:
            amount += self._spending.estimate(self._memory, new_chars=self._chars)
        if not self._profile.tells_usage:
            amount = Amount(cost_usd=None)
        else:
            self._record.warn("it told no usage: its answers are counted by an estimate")
        self._answer(amount, {})

    def _book_lost(self, fate: Fate) -> None:
        """It did not come to its end: what nobody will tell us is waste, by estimate."""
        memory = self._memory
        lost, left, turns = self._lost(fate)
        if lost != NOTHING:
            fields: dict[str, object] = {
                "key": memory.key,
                "why": f"the process {_FATES[fate]}",
                "waste": lost.to_json(),
            }
            fields |= {"tokens": lost.tokens, "unpriced": left.to_json(), "unpriced_turns": turns}
            if lost.cost_usd is not None:
                fields["cost_usd"] = lost.cost_usd
            self._record.commit("broken", fields, at=(self._source, self._offset))
        elif self.is_of_open:
            self._record.commit("end", {"value": None}, at=(self._source, self._offset))
        self._spending.keep(memory)

    def _lost(self, fate: Fate) -> tuple[Amount, Amount, int]:
        """Find what of the estimates is waste, and what will be told later, of how many answers.

        One who counts from the beginning of its session tells what a process that died has spent later, but
        for the last answer, which it had not written down.
        """
        memory = self._memory
        if not self._profile.tells_usage:
            return NOTHING, NOTHING, 0
        asked = NOTHING
        if fate is Fate.KILLED and self._is_asking:
            asked = self._spending.estimate(memory, new_chars=self._chars)
        if self._profile.usage != "cumulative":
            return memory.unpriced + asked, NOTHING, 0
        if fate is Fate.FAILED or asked != NOTHING or not memory.unpriced_turns:
            return asked, memory.unpriced, memory.unpriced_turns
        return memory.last_estimate, _less(memory.unpriced, memory.last_estimate), memory.unpriced_turns - 1

    def _at(self) -> tuple[Source, int] | None:
        """Say where a later life goes on; not after text that is on no record."""
        return None if self._texts or self._pieces else (self._source, self._offset)


def write_off(record: ProgramRecord, spending: Spending, why: str) -> None:
    """Nobody will tell what the last answers cost: their estimates are waste. Raises StorageError."""
    memory = record.memory
    if memory.unpriced_turns:
        lost = memory.unpriced
        fields: dict[str, object] = {
            "key": memory.key,
            "why": why,
            "waste": lost.to_json(),
            "tokens": lost.tokens,
        }
        record.commit("broken", fields | ({} if lost.cost_usd is None else {"cost_usd": lost.cost_usd}))
        spending.keep(memory)


def _less(amount: Amount, part: Amount) -> Amount:
    cost = None if amount.cost_usd is None else max(0.0, amount.cost_usd - (part.cost_usd or 0.0))
    return Amount(cost_usd=cost, tokens=max(0, amount.tokens - part.tokens))


def _meanings(line: bytes, profile: Profile) -> Iterator[Meaning]:
    try:
        value = codec.decode(line) if line.strip() else None
    except codec.NotJson:
        return
    if isinstance(value, dict):
        yield from sorted(meanings(value, profile.parser), key=lambda meaning: _ORDER.index(meaning.what))


_TAKES: dict[str, Callable[[ProgramOutput, Meaning], None]] = {
    "session": ProgramOutput._session,
    "text": ProgramOutput._text,
    "piece": ProgramOutput._piece,
    "tool_call": ProgramOutput._tool_call,
    "tool_result": ProgramOutput._tool_result,
    "tool_error": ProgramOutput._tool_result,
    "usage": ProgramOutput._usage,
    "result": ProgramOutput._result,
    "error": ProgramOutput._error,
    "final_error": ProgramOutput._error,
    "warning": ProgramOutput._warning,
}
