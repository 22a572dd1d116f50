"""Fold all records of a tree again, from the first line, and name the first that does not follow.

A chain of hashes shows that lines are those that were written; this shows that they make sense one after the
other: each in form, each number above the last, each step and each task once in its run. With what hangs on
them, if asked: compactions hold what the lines come to, mail holds what was sent, nobody read what was not
sent. Only reads, no model is asked, nothing is run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maos_sup.cuts.places import lines_up_to, lines_with_attempts
from maos_sup.cuts.record import TeamCut
from maos_sup.cuts.take import agents_of
from maos_sup.cuts.traces import used_numbers
from state_layout.errors import LayoutError
from state_layout.files.chain import Line
from state_layout.files.journal import Reader
from state_layout.lives.checkpoints import Checkpoint, read_checkpoints
from state_layout.lives.history import History
from state_layout.mail.boxes import boxes
from state_layout.paths import Tree
from state_layout.records import SETTLED, TaskPhase
from state_layout.specs import read_specs

# Of a compaction: of the mail files, compared before, and not in those of older versions.
_NOT_FOLDED = frozenset({"mailed", "position", "begun"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayFault:
    """A line, or what hangs on it, that does not follow from what is before."""

    path: str  # in the tree
    seq: int  # of the line; 0: no line, the path says all
    what: str

    def __str__(self) -> str:
        return f"{self.path}{f': seq {self.seq}' if self.seq else ''}: {self.what}"


@dataclass(slots=True, kw_only=True)
class Replay:
    """Tells what the lines of one agent come to, and the first that does not follow."""

    history: History = field(default_factory=History)
    lines: int = 0
    sent: dict[str, list[int]] = field(default_factory=dict)  # by recipient: the numbers
    faults: list[ReplayFault] = field(default_factory=list)


def replay(tree: Tree, *, until: TeamCut | None, is_verified: bool) -> dict[str, Replay]:
    """Fold by agent its lines up to `until`, or to the end. Raises StorageError.

    With `is_verified` compactions, mail and marks are held against it; only at the end: they are of now.
    """
    agents = sorted(until.agents) if until is not None else agents_of(tree, read_specs(tree).specs)
    told = {agent: _replay(tree, agent, until, is_verified=is_verified) for agent in agents}
    if is_verified and until is None:
        for agent, each in told.items():
            each.faults += [*_mail_faults(tree, agent, each), *_ghosts(tree, agent, told)]
    return told


def _replay(tree: Tree, agent: str, until: TeamCut | None, *, is_verified: bool) -> Replay:
    found, kept = Replay(), dict[int, dict[str, object]]()
    compactions = _compactions(tree, agent) if is_verified else {}
    lines = lines_with_attempts(tree, agent)
    if until is not None:
        lines = lines_up_to(tree, agent, until.agents[agent].place)
    try:
        for attempt, line in lines:
            path = tree.shown(tree.agent(agent).attempt(attempt).journal)
            fault = _fault(found, line)
            if fault is not None:
                found.faults.append(ReplayFault(path=path, seq=line.seq, what=fault))
                return found
            found.history.take(line)
            found.history.unmailed.clear()
            found.lines += 1
            if line.seq in compactions:
                kept[line.seq] = found.history.to_json()
                found.faults += _compaction_faults(tree, compactions[line.seq], line, kept[line.seq])
    except LayoutError as error:
        found.faults.append(ReplayFault(path=tree.shown(tree.agent(agent).attempts), seq=0, what=str(error)))
    return found


def _fault(found: Replay, line: Line) -> str | None:
    """Say why `line` does not follow from what `found` has folded, or None."""
    try:
        entry = line.fields()
        return next(_faults(found, entry), None)
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        return f"is not as FORMAT.md says ({type(cause).__name__}: {cause})"


def _faults(found: Replay, entry: Mapping[str, Any]) -> Iterator[str]:
    history = found.history
    for message in entry.get("sent", ()):
        numbers = found.sent.setdefault(message["to"], [])
        if numbers and message["n"] <= numbers[-1]:
            yield f"sends number {message['n']} to {message['to']} after {numbers[-1]}"
        numbers.append(int(message["n"]))
    for key, mark in entry.get("received", {}).items():
        before = history.marks.get(key, (0, 0, ""))[0]
        if int(mark[0]) < before:
            yield f"its mark on {key} goes down from {before} to {mark[0]}"
    if entry["type"] == "step":
        run = f"{entry['task']}#{entry.get('run', 1)}" if "task" in entry else history.run or ""
        if entry["key"] in history.steps.get(run, {}):
            yield f"takes step {entry['key']!r} of {run} a second time"
    if entry["type"] == "task":
        yield from _task_faults(history, entry)
    if float(entry.get("cost_usd") or 0) < 0 or int(entry.get("tokens") or 0) < 0:
        yield "costs less than nothing"


def _task_faults(history: History, entry: Mapping[str, Any]) -> Iterator[str]:
    phase, run = TaskPhase(entry["phase"]), int(entry.get("run", 1))
    before = history.tasks.get(entry["task"])
    if before is None:
        return
    if run < before.run:
        yield f"speaks of run {run} of task {entry['task']} after run {before.run}"
    elif run == before.run and before.phase in SETTLED and phase not in SETTLED:
        yield f"begins task {entry['task']} again, which was {before.phase.value} in the same run"


def _compactions(tree: Tree, agent: str) -> dict[int, list[tuple[Path, Checkpoint]]]:
    """Find the valid compactions of `agent` by the last line that they hold."""
    found = dict[int, list[tuple[Path, Checkpoint]]]()
    for folder in sorted(tree.agent(agent).attempts.glob("*")):
        if folder.name.isdigit():
            for checkpoint in read_checkpoints(tree.agent(agent).attempt(int(folder.name))):
                found.setdefault(checkpoint.history.seq, []).append((folder, checkpoint))
    return found


def _compaction_faults(
    tree: Tree, compactions: list[tuple[Path, Checkpoint]], line: Line, folded: Mapping[str, Any]
) -> Iterator[ReplayFault]:
    """Hold the compactions that stand on `line` against what the lines came to; others are void."""
    for folder, checkpoint in compactions:
        if checkpoint.history.h != line.end.h:
            continue
        held = checkpoint.history.to_json()
        differing = sorted(key for key in folded.keys() - _NOT_FOLDED if held.get(key) != folded[key])
        if differing:
            what = f"the compaction at seq {line.seq} holds another {differing[0]!r} than its lines come to"
            yield ReplayFault(path=tree.shown(folder), seq=0, what=what)


def _mail_faults(tree: Tree, agent: str, found: Replay) -> Iterator[ReplayFault]:
    """Messages in mail files that no line that counts has sent."""
    for box in boxes(tree):
        path = tree.mail_file(box, agent)
        sent = set(found.sent.get(box, ()))
        for line in Reader(path):
            if line.seq not in sent:
                yield ReplayFault(path=tree.shown(path), seq=line.seq, what=f"no line of {agent} sends it")
                break


def _ghosts(tree: Tree, agent: str, told: Mapping[str, Replay]) -> Iterator[ReplayFault]:
    """Messages that `agent` has read and that nobody has sent."""
    floors = used_numbers(tree)
    for key, mark in sorted(told[agent].history.marks.items()):
        box, _, sender = key.partition("/")
        if sender in told:
            last = max([*told[sender].sent.get(box, ()), floors.get(sender, {}).get(box, 0), 0])
            if mark[0] > last:
                path = tree.shown(tree.agent(agent).attempts)
                yield ReplayFault(path=path, seq=0, what=f"read {key} up to {mark[0]}; {sender} sent {last}")
