"""Holds a tree's journals against each other, by a parser of its own: was each message taken exactly once?

It knows FORMAT.md and none of the code under test: pins are followed from the newest attempt back, lines
behind a pin are void.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Books:
    """Holds what one agent's lines that count say."""

    sent: dict[str, list[int]] = field(default_factory=dict)  # by recipient
    marks: dict[str, int] = field(default_factory=dict)  # by box/sender
    taken: int = 0  # messages that its steps say they took
    keys: list[str] = field(default_factory=list)  # of steps, in order


def lines_that_count(agent: Path) -> list[dict[str, Any]]:
    """The journal lines of an agent that count, oldest first."""
    attempts = {int(path.name): _lines(path / "journal.jsonl") for path in (agent / "attempts").iterdir()}
    begun = {number: lines for number, lines in attempts.items() if lines}
    found: list[dict[str, Any]] = []
    number, last = max(begun, default=None), None
    while number is not None:
        lines = [line for line in begun[number] if last is None or line["seq"] <= last]
        found = lines + found
        pin = begun[number][0]["pin"]
        number, last = (pin["attempt"], pin["seq"]) if pin else (None, None)
    assert [line["seq"] for line in found] == [*range(1, len(found) + 1)], f"{agent.name}: lines are missing"
    return found


def books(tree: Path) -> dict[str, Books]:
    """The books of all agents."""
    return {agent.name: _books(lines_that_count(agent)) for agent in sorted((tree / "agents").iterdir())}


def problems(tree: Path) -> list[str]:
    """List what does not fit: receipts without a send, sends that nobody got, mail nobody sent."""
    found = []
    all_books = books(tree)
    for reader, mine in all_books.items():
        expected = 0
        for key, mark in mine.marks.items():
            box, _, sender = key.partition("/")
            numbers = all_books[sender].sent.get(box, []) if sender in all_books else []
            if sender in all_books and mark > max(numbers, default=0):
                found.append(f"{reader} has read {key} up to {mark}, sent were {max(numbers, default=0)}")
            expected += sum(number <= mark for number in numbers)
        if mine.taken != expected:
            found.append(f"{reader} took {mine.taken} messages, {expected} were sent to it and read")
    for box in sorted((tree / "mail").iterdir()):
        for path in box.glob("*.jsonl"):
            if path.stem in all_books:
                numbers = [line["seq"] for line in _lines(path)]
                wanted = all_books[path.stem].sent.get(box.name, [])
                if numbers != wanted:
                    found.append(f"mail/{box.name}/{path.name}: {len(numbers)} lines, {len(wanted)} sent")
    return found


def ghosts(tree: Path) -> list[str]:
    """List what is known that nobody did: messages read that nobody sent, mail that no line sends."""
    found = []
    all_books = books(tree)
    for reader, mine in all_books.items():
        for key, mark in mine.marks.items():
            box, _, sender = key.partition("/")
            last = max(all_books[sender].sent.get(box, []), default=0) if sender in all_books else mark
            found += [f"{reader} has read {key} up to {mark}, sent were {last}"] if mark > last else []
    for path in sorted((tree / "mail").glob("*/*.jsonl")):
        sent = set(all_books[path.stem].sent.get(path.parent.name, [])) if path.stem in all_books else None
        if sent is not None and not {line["seq"] for line in _lines(path)} <= sent:
            found.append(f"{path.parent.name}/{path.name}: holds what nobody sent")
    return found


def unread(tree: Path) -> int:
    """Count the messages that count and nobody has read."""
    all_books = books(tree)
    return sum(
        number > all_books[to].marks.get(f"{to}/{sender}", 0)
        for sender, mine in all_books.items()
        for to, numbers in mine.sent.items()
        if to in all_books
        for number in numbers
    )


def _books(lines: list[dict[str, Any]]) -> Books:
    mine = Books()
    for line in lines:
        for message in line.get("sent", ()):
            mine.sent.setdefault(message["to"], []).append(message["n"])
        for key, mark in line.get("received", {}).items():
            mine.marks[key] = mark[0]
        if line["type"] == "step":
            mine.taken += line["result"] if isinstance(line.get("result"), int) else 0
            mine.keys.append(line["key"])
        elif "received" in line:  # what a model is shown
            mine.taken += json.dumps(line["content"]).count("<message from=")
    return mine


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    found: list[dict[str, Any]] = []
    for line in data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]:
        try:
            found.append(json.loads(line.decode()))
        except ValueError:
            break  # torn or a hole: never acknowledged, and nothing after it counts
    return found
