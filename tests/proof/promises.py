"""Says what must hold in every disk that a power cut may leave, as found (`after`: when everybody went on).

Each promise yields what breaks it, in words. What the product reads there is held against what the record
knows (`truth`), not against what the product says of itself.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

from state_layout.check import Severity, check
from state_layout.errors import LayoutError
from state_layout.files.journal import Reader
from state_layout.lives.attempts import all_lines, list_attempts, read_exit, recall
from state_layout.lives.history import History
from state_layout.mail.operator_mail import read_operator_file
from state_layout.paths import Tree
from state_layout.specs import SpecsRead, read_specs
from state_layout.tree import open_tree

from .truth import Truth

Broken = Iterator[str]
_NOT_COMPARED = {"mailed", "unmailed"}


@dataclass
class Found:
    """A tree after a cut before record `at`, as the product reads it. Read once, when first asked."""

    tree: Tree
    truth: Truth
    at: int
    agents: list[str]
    fates: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    is_recovered: bool = False  # others wrote here since, whom no record knows
    started: frozenset[str] = frozenset()  # who was started again, and took all that there is
    tails: dict[str, bytes] = field(default_factory=dict)  # by path: what was torn when it was found
    handled: dict[str, int] = field(default_factory=dict)  # by agent: what the supervisor remembers

    @cached_property
    def lines(self) -> dict[str, list[bytes]]:
        return {agent: [line.raw for line in all_lines(self.tree, agent)] for agent in self.agents}

    @cached_property
    def entries(self) -> dict[str, list[dict[str, Any]]]:
        return {agent: [json.loads(raw) for raw in lines] for agent, lines in self.lines.items()}

    @cached_property
    def histories(self) -> dict[str, History]:
        return {agent: recall(self.tree, agent).history for agent in self.agents}

    @cached_property
    def sends(self) -> dict[tuple[str, str], list[tuple[int, str | None]]]:
        """Collect what journals send: by sender and box, in order."""
        found: dict[tuple[str, str], list[tuple[int, str | None]]] = defaultdict(list)
        for agent, entries in self.entries.items():
            for entry in entries:
                for message in entry.get("sent", ()):
                    found[agent, message["to"]].append((message["n"], message.get("text")))
        return found

    @cached_property
    def journaled(self) -> dict[tuple[str, str], set[tuple[int, str | None]]]:
        """Collect what journals hold of messages, taken back or not: by sender and box."""
        found: dict[tuple[str, str], set[tuple[int, str | None]]] = defaultdict(set)
        for agent in self.agents:
            for path in self.tree.agent(agent).attempts.glob("*/journal.jsonl"):
                for line in Reader(path).read():
                    for message in line.fields().get("sent", ()):
                        found[agent, message["to"]].add((message["n"], message.get("text")))
        return found

    @cached_property
    def supervised(self) -> list[dict[str, Any]]:
        """The lines of all supervisors."""
        folders = sorted(self.tree.lives.iterdir()) if self.tree.lives.exists() else []
        return [line.fields() for folder in folders for line in Reader(folder / "journal.jsonl").read()]

    @cached_property
    def specs(self) -> SpecsRead:
        return read_specs(self.tree)

    def told(self, what: str) -> Iterator[tuple[Any, ...]]:
        return self.truth.told(what, self.at)


# -- what was acknowledged is there


def tree_is_whole(found: Found) -> Broken:
    """A tree that was said to be made is one; a half-made one is none."""
    if not any(found.told("made")):
        return
    try:
        open_tree(found.tree.root)
    except (LayoutError, OSError) as error:
        yield f"was made and is no tree: {error}"
        return
    for error in found.specs.errors:
        yield f"spec error: {error.text}"


def steps_are_there(found: Found) -> Broken:
    for agent, task, key, result in found.told("step"):
        done = [
            entry
            for entry in found.entries[agent]
            if entry["type"] == "step" and (entry["task"], entry["key"]) == (task, key)
        ]
        if [entry["result"] for entry in done] != [_as_json(result)]:
            yield f"{agent}: step {key} was acknowledged with {result!r}, recorded: {done}"


def sends_are_there(found: Found) -> Broken:
    for agent, to, n, text in found.told("sent"):
        if found.sends[agent, to].count((n, text)) != 1:
            yield f"{agent}: message {n} to {to} was acknowledged and is not in its journals"

    for agent, to, text in found.told("said"):
        if sum(text == known for _, known in found.sends[agent, to]) != 1:
            yield f"{agent}: {text!r} to {to} was acknowledged and is not in its journals, once"


def intents_are_there(found: Found) -> Broken:
    """What was done outside is known to have begun: nobody does it again in silence."""
    for agent, task, key in found.told("done outside"):
        if not any(_is_about(entry, task, key) for entry in found.entries[agent]):
            yield f"{agent}: {key} of {task} was done outside and nothing says that it began"


def answers_are_there(found: Found) -> Broken:
    """An answer that was built upon is recorded, and what a question may cost: none is bought twice."""
    for agent, turn in found.told("asked"):
        answers = sum(e["type"] == "turn" and e["role"] == "assistant" for e in found.entries[agent])
        if answers < turn:
            yield f"{agent}: asked with {turn} answers, {answers} are recorded: one will be bought again"
        if sum(entry["type"] == "request" for entry in found.entries[agent]) <= turn:
            yield f"{agent}: asked for answer {turn + 1}, and nothing says so"
        reserved = [line for line in Reader(found.tree.budget_file(agent)).read() if b'"reserve"' in line.raw]
        if len(reserved) <= turn:
            yield f"{agent}: asked for answer {turn + 1}, {len(reserved)} are reserved"
    for agent, number in found.told("tool"):
        begun = sum(entry["type"] == "tool_call" for entry in found.entries[agent])
        if begun < number:
            yield f"{agent}: tool call {number} ran, {begun} are recorded to have begun"


def lives_are_there(found: Found) -> Broken:
    for agent, number in found.told("attempt"):
        if number not in list_attempts(found.tree.agent(agent)):
            yield f"{agent}: attempt {number} had begun and is not there: its number will be used again"
    for agent, number, reason in found.told("sealed"):
        told = (read_exit(found.tree, agent, number) or {}).get("reason")
        if told != reason:
            yield f"{agent}: attempt {number} was sealed as {reason}, now {told}"


def settled_is_settled(found: Found) -> Broken:
    for agent, task, phase in found.told("settled"):
        outcome = found.histories[agent].tasks.get(task)
        if outcome is None or (outcome.phase != phase and outcome.run == 1):
            yield f"{agent}: task {task} was seen {phase}, now {outcome and outcome.phase}"


def supervisor_remembers(found: Found) -> Broken:
    names = {"Submit": "submit", "Delay": "restart", "Seal": "seal"}
    known = Counter((entry["type"], entry.get("agent"), entry.get("attempt")) for entry in found.supervised)
    told = Counter((names.get(kind, kind), agent, attempt) for kind, agent, attempt in found.told("action"))
    for action, times in told.items():
        if known[action] < times:
            yield f"supervisor: {action} was taken and is not in its journals"
    for (number,) in found.told("life"):
        if not (found.tree.lives / f"{number:04d}").is_dir():
            yield f"supervisor: life {number} is not there"


def people_are_heard(found: Found) -> Broken:
    for agent, text in found.told("person"):
        news = read_operator_file(found.tree.mail_file(agent, "operator"), (0, 0, ""), to=agent)
        if not any(entry.message and entry.message.text == text for entry in news.entries):
            yield f"mail/{agent}/operator.jsonl: {text!r} was sent and is not there"
    for agent, role in found.told("edited"):
        now = found.specs.specs.agents[agent].role
        if int(now.split()[-1] if now else 0) < int(role.split()[-1]):
            yield f"spec of {agent}: was edited to {role!r}, now {now!r}"


def accepted_copies_are_there(found: Found) -> Broken:
    """The last good version of a spec file is never an older one than was said to be kept."""
    versions: dict[str, list[str]] = defaultdict(list)
    for (digests,) in found.told("accepted"):
        for path, digest in digests.items():
            versions[path].append(digest)
    for path, known in versions.items():
        file = found.tree.accepted / path
        digest = sha256(file.read_bytes()).hexdigest() if file.exists() else "missing"
        if digest == "missing" or digest in {*known} - {known[-1]}:
            yield f"supervisor/accepted/{path}: is {digest[:12]}, not what was kept last"


def money_is_counted(found: Found) -> Broken:
    """What was reserved or paid is in the books, and the sum of the books is that of their lines."""
    names = {"reserved": "reserve", "spent": "settle"}
    for what, type_ in names.items():
        for agent, key, cost in found.told(what):
            lines = [line.fields() for line in Reader(found.tree.budget_file(agent)).read()]
            if not any((line["type"], line["key"], line["cost_usd"]) == (type_, key, cost) for line in lines):
                yield f"budget/{agent}.jsonl: {cost} USD for {key} were {what} and are not there"


def output_is_kept(found: Found) -> Broken:
    """Raw output up to its last save, and whatever a record relies on."""
    needed = {path: size for path, size in found.told("output")}
    for agent, entries in found.entries.items():
        for entry in entries:
            source = entry.get("source")
            if source is not None:
                path = f"agents/{agent}/attempts/{source['attempt']:04d}/{source['file']}"
                needed[path] = max(source["offset"], needed.get(path, 0))
    for path, size in needed.items():
        file = found.tree.root / path
        data = file.read_bytes() if file.exists() else b""
        if path in found.truth.raw and not found.is_recovered and data[:size] != found.truth.raw[path][:size]:
            yield f"{path}: {size} bytes were relied on, {len(data)} are there or not as they were written"


# -- nothing is taken for what it is not


def only_whole_lines_count(found: Found) -> Broken:
    for agent, lines in found.lines.items():
        if bad := [raw for raw in lines if raw not in found.truth.lines_of(agent)]:
            yield f"{agent}: counts a line that nobody wrote: {bad[0]!r}"
    for path in [*found.tree.mail.glob("*/*.jsonl"), *found.tree.budget.glob("*.jsonl")]:
        if path.stem == "operator":
            continue
        known = found.truth.lines[found.tree.shown(path)]
        if bad := [line.raw for line in Reader(path).read() if line.raw not in known]:
            yield f"{found.tree.shown(path)}: counts a line that nobody wrote: {bad[0]!r}"


def what_was_seen_was_sent(found: Found) -> Broken:
    """A message that somebody saw is in its sender's journals, under the number that it had."""
    for reader, box, sender, seq, text in found.told("saw"):
        if sender == "operator":
            continue
        if (seq, text) not in found.sends[sender, box]:
            yield f"{reader} saw message {seq} of {sender} to {box}: the sender does not know it"


def mail_has_its_line(found: Found) -> Broken:
    """A message lies in a box only if the line that sends it is durable: it may be read at any time."""
    for path in sorted(found.tree.mail.glob("*/*.jsonl")):
        box, sender = path.parent.name, path.stem
        if sender not in found.agents:
            continue
        for line in Reader(path).read():
            message = line.fields()
            if (message["seq"], message.get("text")) not in found.journaled[sender, box]:
                yield f"message {message['seq']} of {sender} lies in the box of {box} and no journal has it"


def memory_is_the_fold(found: Found) -> Broken:
    """What a checkpoint says is what the journals say."""
    for agent, entries in found.lines.items():
        anew = History()
        for line in all_lines(found.tree, agent):
            anew.take(line)
        known, read = found.histories[agent].to_json(), anew.to_json()
        differing = [key for key in read if key not in _NOT_COMPARED and known[key] != read[key]]
        if differing:
            yield f"{agent}: memory differs from its {len(entries)} lines in {', '.join(differing)}"


# -- nothing is doubled or out of order


def nothing_is_doubled(found: Found) -> Broken:
    for agent, entries in found.entries.items():
        steps = Counter((e["task"], e.get("run", 1), e["key"]) for e in entries if e["type"] == "step")
        for key, times in steps.items():
            if times > 1:
                yield f"{agent}: step {key} is recorded {times} times"
        numbers = [entry["seq"] for entry in entries]
        if numbers != [*range(1, len(numbers) + 1)]:
            yield f"{agent}: lines that count are numbered {numbers[:5]}...{numbers[-5:]}"
    for (agent, to), sent in found.sends.items():
        numbers = [n for n, _ in sent]
        if numbers != sorted({*numbers}):
            yield f"{agent}: messages to {to} are numbered {numbers}"


def marks_go_up(found: Found) -> Broken:
    for agent, entries in found.entries.items():
        last: dict[str, int] = {}
        for entry in entries:
            for key, mark in entry.get("received", {}).items():
                if mark[0] < last.get(key, 0):
                    yield f"{agent}: its mark in {key} went down from {last[key]} to {mark[0]}"
                last[key] = mark[0]


def check_finds_no_harm(found: Found) -> Broken:
    """A cut leaves nothing that needs a person; every finding has a remedy.

    Old blocks in the place of new ones look like an edit by hand: then it says that work goes on anyway.
    """
    for problem in check(found.tree):
        is_stale = found.fates.get(problem.path) == "stale" and "; otherwise the next" in problem.remedy
        if problem.severity is Severity.PROBLEM and not is_stale:
            yield f"check: {problem}"
        elif not problem.remedy:
            yield f"check: no remedy: {problem}"


AS_FOUND: dict[str, Callable[[Found], Broken]] = {
    "a tree that was made is whole": tree_is_whole,
    "acknowledged steps are recorded": steps_are_there,
    "acknowledged messages are journaled": sends_are_there,
    "what was done outside has its intent": intents_are_there,
    "answers that were built upon are recorded": answers_are_there,
    "lives and their ends are known": lives_are_there,
    "settled tasks stay settled": settled_is_settled,
    "the supervisor remembers its acts": supervisor_remembers,
    "people's words and edits are there": people_are_heard,
    "last good specs are kept": accepted_copies_are_there,
    "money spent is counted": money_is_counted,
    "output that was relied on is there": output_is_kept,
    "no torn record is taken for whole": only_whole_lines_count,
    "seen messages have a sender": what_was_seen_was_sent,
    "mail has its line": mail_has_its_line,
    "memory is the fold of the journals": memory_is_the_fold,
    "nothing is doubled or out of order": nothing_is_doubled,
    "marks never go down": marks_go_up,
    "check finds nothing that needs a person": check_finds_no_harm,
}


def broken(promises: dict[str, Callable[[Found], Broken]], found: Found) -> list[tuple[str, str]]:
    """The promises that do not hold: name and what breaks it. An error is a promise broken."""
    result = []
    for name, promise in promises.items():
        try:
            result += [(name, text) for text in promise(found)]
        except (LayoutError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            result.append((name, f"{type(error).__name__}: {error}"))
    return result


def _is_about(entry: dict[str, Any], task: str, key: str) -> bool:
    return entry["type"] in ("call", "step") and (entry["task"], entry["key"]) == (task, key)


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))
