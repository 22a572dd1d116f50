"""A process is the same only if boot, pid, start time and pidfd inode are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from state_layout.files import atomic, codec
from state_layout.host.identity import (
    Handle,
    handle_of,
    is_alive,
    open_process,
    own_handle,
    read_handle,
    read_stat,
)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives until it is killed."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        try:
            yield process
        finally:
            process.kill()


def handle(process: subprocess.Popen[bytes]) -> Handle:
    found = handle_of(process.pid, attempt=3)
    assert found is not None
    return found


def test_own_process_is_alive() -> None:
    mine = own_handle(2)
    assert (mine.pid, mine.attempt) == (os.getpid(), 2)
    assert is_alive(mine) is True


def test_living_process_is_alive_and_dead_one_is_not(sleeper: subprocess.Popen[bytes]) -> None:
    found = handle(sleeper)
    assert is_alive(found) is True
    sleeper.kill()
    sleeper.wait()
    assert is_alive(found) is False


def test_zombie_is_not_alive(sleeper: subprocess.Popen[bytes]) -> None:
    found = handle(sleeper)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # dead, not reaped
    stat = read_stat(sleeper.pid)
    assert stat is not None and stat.is_gone
    assert is_alive(found) is False


def test_stopped_process_is_alive(sleeper: subprocess.Popen[bytes]) -> None:
    found = handle(sleeper)
    sleeper.send_signal(signal.SIGSTOP)
    assert is_alive(found) is True


@pytest.mark.parametrize(
    "change",
    [
        {"start_time": 1},
        pytest.param({"pidfd_inode": 1}, marks=pytest.mark.linux("pidfds with numbers of their own")),
        {"boot_id": "another"},
        {"pid": 2**22 - 1},
        {"pid": 1},
    ],
    ids=str,
)
def test_process_with_the_same_pid_but_another_identity_is_not_alive(change: dict[str, object]) -> None:
    other = replace(own_handle(1), **change)  # type: ignore[arg-type]  # one field of the record
    assert is_alive(other) is False
    assert open_process(other) is None


@pytest.mark.linux("pidfds")
def test_opened_process_can_be_signalled_through_its_pidfd(sleeper: subprocess.Popen[bytes]) -> None:
    pidfd = open_process(handle(sleeper))
    assert pidfd is not None
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    assert sleeper.wait() == -signal.SIGKILL
    os.close(pidfd)


def test_looking_leaves_no_descriptor_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for wrong in (0, 1):
        is_alive(replace(own_handle(1), start_time=own_handle(1).start_time + wrong))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_without_a_free_descriptor_nothing_is_known_of_a_process() -> None:
    code = (
        "import os, resource\nfrom state_layout.host.identity import own_handle, is_alive\n"
        "mine = own_handle(1)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\nassert is_alive(mine) is None"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_name_with_blanks_and_parentheses_does_not_confuse_the_start_time(tmp_path: Path) -> None:
    program = tmp_path / "a) R 1 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([str(program), "1000"]) as process:
        while Path(f"/proc/{process.pid}/comm").read_text() != "a) R 1 1 (b\n":
            pass
        stat = read_stat(process.pid)
        process.kill()
    assert stat is not None
    assert (stat.parent, stat.state in "SRD") == (os.getpid(), True)


def test_handle_survives_the_file(tmp_path: Path) -> None:
    mine = own_handle(4).with_program(17)
    atomic.refresh(tmp_path / "x.handle.json", codec.encode(mine.to_json()) + b"\n")
    assert read_handle(tmp_path / "x.handle.json") == mine


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "{",
        '{"boot_id":"b","pid":0,"start_time":1,"pidfd_inode":1,"attempt":1}',
        '{"boot_id":"b","pid":-1,"start_time":1,"pidfd_inode":1,"attempt":1}',
        '{"boot_id":"b","pid":true,"start_time":1,"pidfd_inode":1,"attempt":1}',
        '{"boot_id":"b","pid":"7","start_time":1,"pidfd_inode":1,"attempt":1}',
        '{"boot_id":5,"pid":7,"start_time":1,"pidfd_inode":1,"attempt":1}',
        '{"boot_id":"b","pid":7,"start_time":1.5,"pidfd_inode":1,"attempt":1}',
        '{"boot_id":"b","pid":7,"start_time":1,"pidfd_inode":1,"attempt":1,"program_pid":"x"}',
    ],
)
def test_what_is_no_handle_is_unknown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.handle.json"
    path.write_text(text)
    assert read_handle(path) is None


def test_missing_handle_is_unknown(tmp_path: Path) -> None:
    assert read_handle(tmp_path / "x.handle.json") is None


def test_unknown_keys_of_a_handle_are_ignored() -> None:
    assert Handle.from_json({**own_handle(1).to_json(), "colour": "red"}) == own_handle(1)
