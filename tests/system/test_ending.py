"""Whatever is found is ended, to the last one; whatever changed meanwhile is not touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace

import pytest

from maos_sup.system.ending import Sighting, end_all
from maos_sup.system.processes import ProcessRow, belonging, read_row, read_table
from maos_sup.system.targets import hold_child, hold_row

Spawn = Callable[..., subprocess.Popen[bytes]]
MARK = f"boot:0:0:test-ending:{os.getpid()}"  # others who run these tests at the same time have theirs


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start processes that are killed at the end."""
    processes: list[subprocess.Popen[bytes]] = []

    def spawned(*command: str, mark: str = MARK) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command or ("sleep", "1000"),
            env={**os.environ, "MAOS_MARK": mark},
            start_new_session=True,
            stdout=subprocess.PIPE,
        )
        processes.append(process)
        return process

    yield spawned
    for process in processes:
        process.kill()
        process.communicate()


def marked(known: AbstractSet[int] = frozenset()) -> Sighting:
    """Look for what wears the mark of this file."""
    listing = read_table(known)
    rows = belonging(listing.table, marks={MARK})
    return Sighting(rows=rows, pids=listing.pids, is_torn=listing.is_torn)


def row_of(process: subprocess.Popen[bytes]) -> ProcessRow:
    row = read_row(process.pid)
    assert row is not None
    return row


def test_all_are_ended_and_counted(spawn: Spawn) -> None:
    processes = [spawn() for _ in range(10)]
    swept = end_all(marked)
    assert (swept.ended, swept.left) == (10, ())
    assert [process.wait() for process in processes] == [-signal.SIGKILL] * 10


def test_nothing_to_end_is_fine() -> None:
    assert end_all(lambda known: Sighting(rows=())).ended == 0


def test_stopped_process_is_ended(spawn: Spawn) -> None:
    process = spawn()
    process.send_signal(signal.SIGSTOP)
    assert end_all(marked).ended == 1
    assert process.wait() == -signal.SIGKILL


def test_what_was_found_by_a_slow_look_has_time_to_end(spawn: Spawn) -> None:
    """A look by psutil at a thousand processes takes longer than all patience on a busy machine."""
    process = spawn()

    def look(known: AbstractSet[int]) -> Sighting:
        time.sleep(1.1)
        return marked(known)

    swept = end_all(look, patience_s=1)
    assert (swept.ended, swept.left, swept.is_sure) == (1, (), False)
    assert process.wait() == -signal.SIGKILL


def test_processes_that_keep_forking_are_ended(spawn: Spawn) -> None:
    forker = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up', flush=True)\n"
        "while True:\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "    else:\n"
        "        os._exit(0)\n"  # a daemon that is never at home
    )
    processes = [spawn(sys.executable, "-c", forker) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"

    def is_ended(process: subprocess.Popen[bytes]) -> bool:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        return process.stdout.read() == b""  # nobody is left who keeps it open

    for _ in range(20):  # one sweep may miss a process that is born as it looks away; the next finds it
        swept = end_all(marked, patience_s=20, glances=10_000)
        assert swept.left == ()
        if all(map(is_ended, processes)):
            return
    raise AssertionError("processes that keep forking outlived every sweep")


@pytest.mark.parametrize("change", [{"start_time": 1}, {"mark": ""}, {"session": 1}, {"parent": 1}], ids=str)
def test_process_that_changed_is_not_opened(spawn: Spawn, change: dict[str, object]) -> None:
    row = row_of(spawn())
    assert hold_row(replace(row, **change)) is None  # type: ignore[arg-type]  # one field of the record
    target = hold_row(row)
    assert target is not None
    target.close()


def test_process_that_is_not_what_was_found_is_not_signalled(spawn: Spawn) -> None:
    process = spawn()
    stale = replace(row_of(process), start_time=1)
    swept = end_all(lambda known: Sighting(rows=[stale]), patience_s=0.05)
    assert swept.ended == 0
    assert process.poll() is None


def test_child_of_a_process_that_changed_is_not_signalled(spawn: Spawn) -> None:
    parent = spawn(sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '1000'])")
    while not (below := [row for row in read_table().table.values() if row.parent == parent.pid]):
        pass
    stale = replace(row_of(parent), start_time=1)
    swept = end_all(lambda known: Sighting(rows=[stale, *below]), patience_s=0.05)
    assert swept.ended == 0
    assert parent.poll() is None
    end_all(marked)


def test_signal_to_a_process_that_is_gone_is_fine(spawn: Spawn) -> None:
    process = spawn()
    target = hold_child(process.pid)
    process.kill()
    process.wait()
    assert target.send(signal.SIGTERM) is True
    target.close()


@pytest.mark.skipif(os.getuid() != 0, reason="needs a process that is not ours")
def test_process_that_is_not_ours_to_kill_is_reported_not_waited_for() -> None:
    code = (
        "import os, sys\nfrom maos_sup.system import ending, targets\n"
        "from maos_sup.system.processes import read_row\n"
        "row = read_row(int(sys.argv[1]))\nos.setuid(65534)\n"
        "targets.read_row = lambda pid: row\n"  # as another user it could not read the mark
        "swept = ending.end_all(lambda known: ending.Sighting(rows=[row]), patience_s=5)\n"
        "assert (swept.left, swept.ended) == ((row.pid,), 0), swept"
    )
    with subprocess.Popen(["sleep", "1000"]) as process:
        try:
            command = [sys.executable, "-c", code, str(process.pid)]
            assert subprocess.run(command, check=False, timeout=4).returncode == 0
        finally:
            process.kill()
