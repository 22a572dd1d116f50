"""The checker of histories finds what must not be; locks under torture have none of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from histories import Send, Take, Write, exactly_once_in_order, one_holder, one_writer
from orchestra import REPOSITORY, wait_for
from processes import kill


def writes(*told: tuple[int, int, int]) -> list[Write]:
    return [Write(at_ns=at_ns, process=process, life=life) for at_ns, process, life in told]


GOOD_WRITES = writes((1, 10, 1), (2, 10, 1), (3, 11, 1), (5, 12, 2))
BAD_WRITES = {
    "two at once": (writes((1, 10, 1), (2, 11, 2), (3, 10, 1)), "process 10 wrote again"),
    "a life comes back": (writes((1, 10, 2), (2, 11, 1)), "life 1 wrote after life 2"),
    "against time": (writes((5, 10, 1), (4, 11, 2)), "happened earlier"),
    "the dead write": (writes((1, 10, 1), (2, 11, 2), (3, 12, 3), (4, 10, 1)), "process 10 wrote again"),
}
SENDS = [Send(n=n, begun_ns=10 * n, ended_ns=10 * n + 1) for n in (1, 2, 3, 5)]
SENDS.append(Send(n=4, begun_ns=40))
BAD_TAKES = {
    "twice": ([(1, 15), (1, 16)], "taken twice"),
    "out of order": ([(2, 25), (1, 26)], "1 was taken after 2"),
    "out of nothing": ([(1, 15), (9, 99)], "never sent"),
    "before it was sent": ([(1, 5)], "before it was sent"),
    "one passed over": ([(1, 15), (3, 35)], "2 was acknowledged and passed over"),
}


def test_good_histories_are_good() -> None:
    assert [*one_writer(GOOD_WRITES, "a"), *one_writer([], "a")] == []
    takes = [Take(n=n, at_ns=10 * n + 5) for n in (1, 2, 3, 5)]
    for end in range(len(takes) + 1):
        assert [*exactly_once_in_order(SENDS, takes[:end], "a to b")] == []
    assert [*one_holder([(1, 2, 10), (2, 4, 11), (7, 9, 10)], "a")] == []


@pytest.mark.parametrize("name", BAD_WRITES)
def test_planted_second_writer_is_found(name: str) -> None:
    history, word = BAD_WRITES[name]
    assert any(word in problem for problem in one_writer(history, "a"))


@pytest.mark.parametrize("name", BAD_TAKES)
def test_planted_fault_of_delivery_is_found(name: str) -> None:
    told, word = BAD_TAKES[name]
    takes = [Take(n=n, at_ns=at_ns) for n, at_ns in told]
    assert any(word in problem for problem in exactly_once_in_order(SENDS, takes, "a to b"))


def test_planted_second_holder_is_found() -> None:
    assert [*one_holder([(1, 5, 10), (4, 6, 11)], "a")] == ["a: process 11 got it while process 10 held it"]


HOLDER = """
import os, sys, time
from pathlib import Path
from state_layout.errors import Locked
from state_layout.files.locks import take_life_lock
lock, log = Path(sys.argv[1]), os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
while True:
    try:
        held = take_life_lock(lock, patience_s=5)
    except Locked:
        continue
    for _ in range(5):
        os.write(log, b"%d %d\\n" % (os.getpid(), time.monotonic_ns()))
    held.release()
"""


def holds_in(log: Path) -> Iterator[tuple[int, int, int]]:
    """The stretches in which one process wrote, in the order of the file."""
    begun_ns = ended_ns = process = 0
    for line in log.read_text().splitlines():
        pid, at_ns = map(int, line.split())
        if pid != process and process:
            yield begun_ns, ended_ns, process
        begun_ns = at_ns if pid != process else begun_ns
        process, ended_ns = pid, at_ns
    if process:
        yield begun_ns, ended_ns, process


def test_a_lock_for_life_has_one_holder_whoever_is_killed(tmp_path: Path) -> None:
    lock, log, random = tmp_path / "lock", tmp_path / "log", Random(7)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}

    def begin() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", HOLDER, str(lock), str(log)], env=environment)

    def size() -> int:
        return log.stat().st_size if log.exists() else 0

    holders = [begin() for _ in range(3)]
    try:
        for _ in range(6):
            before = size()
            wait_for(lambda before=before: size() > before + 2_000, "the lock goes round", deadline_s=60)
            victim = holders.pop(random.randrange(len(holders)))
            kill(victim.pid)
            victim.wait(20)
            holders.append(begin())
    finally:
        for holder in holders:
            holder.kill()
            holder.wait(20)
    assert [*one_holder(holds_in(log), "the lock")] == []
    assert size() > 12_000
