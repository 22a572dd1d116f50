"""Measures what reading costs: a long journal, an inbox of many senders, `status` of a large tree."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.figures import ROUNDS, Row, Section, scratch, spread
from bench.orchestras import handle, make, supervised, until
from state_layout.files import atomic
from state_layout.files.journal import Journal, Reader
from state_layout.mail.inbox import Inbox
from state_layout.paths import Tree

LINES = 100_000
SENDERS, UNDELIVERED, FETCHES = 64, 10, 40
AGENTS = 100
IDLER = {"kind": "command", "command": ["sleep", "100000"]}
MOST_SCAN_S, MOST_FETCH_US, MOST_STATUS_S = 0.5, 400.0, 0.2


def measure() -> list[Section]:
    """The table of this file."""
    note = "Files in the page cache. A whole command is timed from its start to its exit."
    rows = [_scan(), _fetch(), *_commands()]
    return [Section(title="Reading", note=note, rows=rows)]


def _scan() -> Row:
    with scratch() as folder:
        path = folder / "journal.jsonl"
        journal = Journal.create(path)
        for number in range(LINES):
            journal.append("progress", {"value": 0.5, "note": f"line {number} of this journal"})
        journal.close()
        times_s = [_scan_s(path) for _ in range(ROUNDS)]
    return Row(
        name=f"{LINES:,} journal lines, each checked",
        value=spread(times_s, "s", 2),
        target=f"<= {MOST_SCAN_S} s",
        met=statistics.median(times_s) <= MOST_SCAN_S,
    )


def _scan_s(path: Path) -> float:
    began_s = time.perf_counter()
    read = sum(1 for _ in Reader(path))
    took_s = time.perf_counter() - began_s
    assert read == LINES
    return took_s


def _fetch() -> Row:
    with scratch() as folder:
        tree = make(folder / "tree", {"reader": {"kind": "command", "command": ["true"]}})
        box = tree.root / "mail" / "reader"
        atomic.make_folder(box)
        senders = [Journal.create(box / f"s{number:02}.jsonl") for number in range(SENDERS)]
        for sender in senders:
            _put(sender)
        inbox = Inbox(tree, "reader", marks={})
        marks = inbox.fetch()[1]
        times_us = []
        for turn in range(FETCHES):
            for number in range(UNDELIVERED):
                _put(senders[(turn * UNDELIVERED + number * 7) % SENDERS])
            began_s = time.perf_counter()
            messages, new = inbox.fetch()
            times_us.append(1e6 * (time.perf_counter() - began_s))
            assert len(messages) == UNDELIVERED
            marks |= new
            inbox.rewind(marks)
        inbox.close()
        for sender in senders:
            sender.close()
    middle = statistics.median(times_us)
    return Row(
        name=f"{UNDELIVERED} undelivered messages of {SENDERS} senders",
        value=spread(times_us, "us"),
        target=f"<= {MOST_FETCH_US:g} us",
        met=middle <= MOST_FETCH_US,
    )


def _put(journal: Journal) -> None:
    """A message as its sender leaves it: appended, durable."""
    journal.commit("info", {"text": "x" * 1000})


def _commands() -> list[Row]:
    names = [f"a{number}" for number in range(AGENTS)]
    with scratch() as folder:
        tree = make(folder / "tree", dict.fromkeys(names, IDLER))
        with supervised(tree):
            until(lambda: all(_runs(tree, name) for name in names))
            times_s = [_command_s("status", str(tree.root)) for _ in range(ROUNDS * 2)]
    help_s = [_command_s("--help") for _ in range(ROUNDS * 2)]
    return [
        Row(
            name=f"`maos-sup status` of {AGENTS} running agents, a whole command",
            value=spread(times_s, "s", 3),
            target=f"<= {MOST_STATUS_S} s",
            met=statistics.median(times_s) <= MOST_STATUS_S,
        ),
        Row(name="`maos-sup --help`, a whole command", value=spread(help_s, "s", 3)),
    ]


def _runs(tree: Tree, agent: str) -> bool:
    found = handle(tree, agent)
    return found is not None and found.program_pid is not None


def _command_s(*arguments: str) -> float:
    began_s = time.perf_counter()
    subprocess.run([sys.executable, "-m", "maos_sup", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began_s
