"""Measures what reading costs: a long journal, an inbox of many senders, `status` of a large tree."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from bench.figures import ROUNDS, Row, Section, scratch, sized, spread
from bench.former import FORMER
from bench.orchestras import handle, make, supervised, until
from bench.turns import Build, beside, builds, command_ms, in_turns, living, told_by
from state_layout.files import atomic
from state_layout.files.journal import Journal, Reader
from state_layout.mail.inbox import Inbox
from state_layout.paths import Tree

LINES = 100_000
SENDERS, UNDELIVERED, FETCHES = 64, 10, 40
AGENTS = 100
IDLER = {"kind": "command", "command": ["sleep", "100000"]}
MOST_SCAN_S, MOST_FETCH_US, MOST_STATUS_S = 0.5, 400.0, 0.2
BESIDE_AGENTS, TURNS = sized(100, 4), 4 * ROUNDS
MOST_STATUS = 0.65  # of the earlier commit
# The least of several, for the others were interrupted; ms of CPU.
SCAN = """
import os, resource, sys
from pathlib import Path
from state_layout.files.journal import Journal, Reader

def cpu_ms():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return 1000 * (used.ru_utime + used.ru_stime)

os.fsync = os.fdatasync = lambda descriptor: None
path, count = Path(sys.argv[1]), int(sys.argv[2])
if not path.exists():
    journal = Journal.create(path)
    for number in range(count):
        journal.append("progress", {"value": 0.5, "note": f"line {number} of this journal"})
    journal.close()
took = []
for _ in range(3):
    begun = cpu_ms()
    assert sum(1 for _ in Reader(path)) == count
    took.append(cpu_ms() - begun)
print(min(took))
"""
FETCH = f"""
import os, resource, sys
from pathlib import Path
from bench.orchestras import make
from state_layout.files import atomic
from state_layout.files.journal import Journal
from state_layout.mail.inbox import Inbox

def cpu_ms():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return 1000 * (used.ru_utime + used.ru_stime)

def put(journal):
    journal.commit("info", {{"text": "x" * 1000}})

os.fsync = os.fdatasync = lambda descriptor: None
root = Path(sys.argv[1]) / str(os.getpid())
root.parent.mkdir(exist_ok=True)
tree = make(root, {{"reader": {{"kind": "command", "command": ["true"]}}}})
box = tree.root / "mail" / "reader"
atomic.make_folder(box)
senders = [Journal.create(box / f"s{{number:02}}.jsonl") for number in range({SENDERS})]
for sender in senders:
    put(sender)
inbox = Inbox(tree, "reader", marks={{}})
marks = inbox.fetch()[1]
took = 0.0
for turn in range(int(sys.argv[2])):
    for number in range({UNDELIVERED}):
        put(senders[(turn * {UNDELIVERED} + number * 7) % {SENDERS}])
    begun = cpu_ms()
    messages, new = inbox.fetch()
    took += cpu_ms() - begun
    assert len(messages) == {UNDELIVERED}
    marks |= new
    inbox.rewind(marks)
print(took)
"""


def measure() -> list[Section]:
    """The table of this file."""
    note = "Files in the page cache. A whole command is timed from its start to its exit."
    rows = [_scan(), _fetch(), *_commands()]
    return [Section(title="Reading", note=note, rows=rows), _beside()]


def _beside() -> Section:
    """Measure the same in CPU, in turns with an earlier commit."""
    note = f"CPU of commands and calls, in turns with commit {FORMER}, each on trees of its own."
    found = builds()
    with scratch() as folder:
        with living(folder, agents=BESIDE_AGENTS) as trees:
            figures = in_turns(
                {
                    name: partial(command_ms, "status", str(trees[name].root), build=build)
                    for name, build in found.items()
                },
                TURNS,
            )
        rows = beside(f"`status` of {BESIDE_AGENTS} running agents", figures, most=MOST_STATUS)
        for what, script, count in (
            (f"{LINES:,} journal lines, each checked", SCAN, LINES),
            (f"{UNDELIVERED} undelivered messages of {SENDERS} senders, {FETCHES} times", FETCH, FETCHES),
        ):
            measures = {
                name: partial(_script_ms, script, folder / f"{count}{name}", count, build)
                for name, build in found.items()
            }
            rows += beside(what, in_turns(measures, ROUNDS))
    return Section(title="Reading beside an earlier commit", note=note, rows=rows)


def _script_ms(script: str, folder: Path, count: int, build: Build) -> float:
    return float(told_by(script, str(folder), str(count), build=build))


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
