"""Holds a tree against the ledgers that its agents kept outside. Every function yields problems, in words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from histories import exactly_once_in_order, one_writer, sends_of, takes_of, writes_of
from programs.outside import entries
from troupe import Troupe

from state_layout.lives.attempts import all_lines

Numbers = Sequence[int]


def problems(troupe: Troupe) -> list[str]:
    """Everything that is wrong with what is left, after all agents came to their end."""
    return [*_problems(troupe)]


def _problems(troupe: Troupe) -> Iterator[str]:
    yield from troupe.violations().splitlines()
    for name in troupe.workers:
        yield from _lines_of(troupe, name)
    for name in troupe.thinkers:
        yield from _turns_of(troupe, name)
        yield from _prints_of(troupe, name)
    for sender in troupe.talkers:
        for to in troupe.peers(sender):
            yield from _mail_between(troupe, sender, to)
    yield from _histories(troupe)


def _histories(troupe: Troupe) -> Iterator[str]:
    """Check what the ledgers say of who wrote when, and of when messages were sent and taken."""
    for name in troupe.talkers:
        yield from one_writer(writes_of(troupe.home / f"{name}.jsonl"), name)
    for sender in troupe.workers:
        for to in troupe.peers(sender):
            if to in troupe.workers:
                numbers = {mail["seq"]: mail["body"]["n"] for mail in _mail(troupe, sender, to)}
                sends = sends_of(troupe.home / f"{sender}.jsonl", to)
                takes = takes_of(troupe.home / f"{to}.jsonl", sender, numbers=numbers)
                yield from exactly_once_in_order(sends, takes, f"{sender} to {to}")


def problems_of_copy(troupe: Troupe) -> list[str]:
    """Everything that is wrong with the end of a copy of a living tree.

    A copy is no snapshot: what was done after its oldest part may have been done again. But nothing is lost,
    and nobody takes the same message twice. Its ledgers begin as they were before the copy was begun.
    """
    return [*_problems_of_copy(troupe)]


def _problems_of_copy(troupe: Troupe) -> Iterator[str]:
    yield from troupe.violations().splitlines()
    for name in troupe.workers:
        written = [int(n) for n in re.findall(r"^line (\d+)$", troupe.output(name), re.MULTILINE)]
        done = _Ledger.of(troupe, name).done("line")
        yield from _missing(done, written, f"{name}: lines written, not in stdout.log")
    for name in troupe.thinkers:
        yield from _turns_of(troupe, name)
    for sender in troupe.talkers:
        for to in troupe.peers(sender):
            yield from _copied_mail_between(troupe, sender, to)


def _copied_mail_between(troupe: Troupe, sender: str, to: str) -> Iterator[str]:
    mail, way = _mail(troupe, sender, to), f"{sender} to {to}"
    seqs, numbers = [message["seq"] for message in mail], [message["body"]["n"] for message in mail]
    yield from _unordered(seqs, f"{way}: seq")
    if sender in troupe.workers:
        done = _Ledger.of(troupe, sender).done(f"to {to}")
        yield from _missing(done, numbers, f"{way}: messages sent, not in the mail")
    else:
        yield from _missing(range(1, max(numbers, default=0) + 1), numbers, f"{way}: messages that are lost")
    yield from _missing(_sent_seqs(troupe, sender, to), seqs, f"{way}: journaled, not in the mail")
    if to in troupe.thinkers:
        taken = _taken(troupe, to, sender)
        yield from _unordered(taken, f"{way}: taken")
        passed = [seq for seq in seqs if seq <= max(taken, default=0)]
        yield from _missing(passed, taken, f"{way}: passed over")


def _lines_of(troupe: Troupe, name: str) -> Iterator[str]:
    """Numbered lines: all that were written, each once, in order."""
    ledger = _Ledger.of(troupe, name)
    written = [int(n) for n in re.findall(r"^line (\d+)$", troupe.output(name), re.MULTILINE)]
    yield from _missing(ledger.done("line"), written, f"{name}: lines written, not in stdout.log")
    yield from _unordered(written, f"{name}: lines in stdout.log")
    yield from _missing(written, ledger.intended("line"), f"{name}: lines nobody wrote")


def _turns_of(troupe: Troupe, name: str) -> Iterator[str]:
    """Turns: each done once, none skipped; what was told outside is in the journal."""
    ledger, turns = _Ledger.of(troupe, name), _turns(troupe, name)
    numbers = [turn["turn"] for turn in turns]
    if numbers != [*range(1, len(numbers) + 1)]:
        yield f"{name}: turns are not each done once, in order: {_shown(numbers)}"
    yield from _missing(ledger.done("turn"), numbers, f"{name}: turns done, not in the journal")


def _prints_of(troupe: Troupe, name: str) -> Iterator[str]:
    numbers = [turn["turn"] for turn in _turns(troupe, name)]
    printed = {int(n) for n in re.findall(r"^turn (\d+)$", troupe.output(name), re.MULTILINE)}
    yield from _missing(numbers, sorted(printed), f"{name}: turns not in stdout.log")


def _mail_between(troupe: Troupe, sender: str, to: str) -> Iterator[str]:
    """Messages: in the mail file what was sent, each once, in order; taken from its beginning, each once."""
    mail, way = _mail(troupe, sender, to), f"{sender} to {to}"
    seqs, numbers = [message["seq"] for message in mail], [message["body"]["n"] for message in mail]
    yield from _unordered(seqs, f"{way}: seq")
    yield from _unordered(numbers, f"{way}: messages")
    if sender in troupe.workers:
        ledger = _Ledger.of(troupe, sender)
        yield from _missing(ledger.done(f"to {to}"), numbers, f"{way}: messages sent, not in the mail")
        yield from _missing(numbers, ledger.intended(f"to {to}"), f"{way}: messages nobody sent")
    elif numbers != [*range(1, len(_sent_seqs(troupe, sender, to)) + 1)]:
        yield f"{way}: {len(_sent_seqs(troupe, sender, to))} sent, in the mail: {_shown(numbers)}"
    taken = _taken(troupe, to, sender)
    if taken != seqs[: len(taken)]:
        yield f"{way}: taken {_shown(taken)} is not how the mail begins: {_shown(seqs)}"


def _taken(troupe: Troupe, reader: str, sender: str) -> Numbers:
    """The seq of every message of `sender` that `reader` took, in its order."""
    if reader in troupe.workers:
        return _Ledger.of(troupe, reader).done(f"took {sender}")
    return [seq for turn in _turns(troupe, reader) for who, _, seq, _ in turn["took"] if who == sender]


def _sent_seqs(troupe: Troupe, sender: str, to: str) -> Numbers:
    """The numbers of the messages that the journals of `sender` send."""
    lines = (line.fields() for line in all_lines(troupe.tree, sender))
    return [message["n"] for line in lines for message in line.get("sent", ()) if message["to"] == to]


def _turns(troupe: Troupe, name: str) -> list[dict[str, Any]]:
    lines = (line.fields() for line in all_lines(troupe.tree, name))
    return [line["result"] for line in lines if line["type"] == "step" and line["key"].startswith("turn")]


def _mail(troupe: Troupe, sender: str, to: str) -> list[dict[str, Any]]:
    path = troupe.tree.mail_file(to, sender)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class _Ledger:
    """One ledger."""

    def __init__(self, path: Path) -> None:
        self._numbers: dict[tuple[str, str], list[int]] = {}
        for word, kind, n, *_ in entries(path):
            self._numbers.setdefault((word, kind), []).append(n)

    @classmethod
    def of(cls, troupe: Troupe, name: str) -> _Ledger:
        return cls(troupe.home / f"{name}.jsonl")

    def done(self, kind: str) -> Numbers:
        return self._numbers.get(("done", kind), [])

    def intended(self, kind: str) -> Numbers:
        return self._numbers.get(("intent", kind), [])


def _missing(wanted: Numbers, there: Numbers, what: str) -> Iterator[str]:
    lost = sorted({*wanted} - {*there})
    if lost:
        yield f"{what}: {_shown(lost)}"


def _unordered(numbers: Numbers, what: str) -> Iterator[str]:
    wrong = [after for before, after in pairwise(numbers) if after <= before]
    if wrong:
        yield f"{what}: doubled or out of order: {_shown(wrong)}"


def _shown(numbers: Numbers) -> str:
    text = ", ".join(map(str, numbers[:20]))
    return f"{text}, ... ({len(numbers)})" if len(numbers) > 20 else text or "none"
