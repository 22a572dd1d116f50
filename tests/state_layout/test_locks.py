"""Life locks: one holder, freed by every way to die, kept by nobody else; the lock of `spec/`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from state_layout.errors import Locked, StorageError
from state_layout.files.locks import editing, is_free, take_life_lock

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # 3.12; no thread of ours
HOLDER = """
import sys
from pathlib import Path
from state_layout.files.locks import take_life_lock
lock = take_life_lock(Path(sys.argv[1]))
sys.stdout.write("held\\n"); sys.stdout.flush()
sys.stdin.read()
"""


def start_holder(path: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def end(holder: subprocess.Popen[str]) -> None:
    """Kill it and close its pipes."""
    with holder:
        holder.kill()


def test_second_taker_is_refused(tmp_path: Path) -> None:
    lock = take_life_lock(tmp_path / "agents" / "a" / "lock")
    with pytest.raises(Locked, match="lock: held by another process"):
        take_life_lock(tmp_path / "agents" / "a" / "lock", patience_s=0.02)
    lock.release()
    lock.release()
    take_life_lock(tmp_path / "agents" / "a" / "lock", patience_s=0.02).release()


def test_lock_of_another_process_is_refused_and_freed_by_kill(tmp_path: Path) -> None:
    holder = start_holder(tmp_path / "lock")
    assert not is_free(tmp_path / "lock")
    with pytest.raises(Locked):
        take_life_lock(tmp_path / "lock", patience_s=0.02)
    end(holder)
    assert is_free(tmp_path / "lock")
    take_life_lock(tmp_path / "lock").release()


def test_lock_file_that_was_never_made_is_free(tmp_path: Path) -> None:
    assert is_free(tmp_path / "none" / "lock")


def test_probe_does_not_keep_the_lock(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    assert is_free(tmp_path / "lock")
    take_life_lock(tmp_path / "lock", patience_s=0.0).release()


def test_taker_waits_out_a_probe(tmp_path: Path) -> None:
    holder = start_holder(tmp_path / "lock")
    assert holder.stdin is not None
    holder.stdin.close()  # ends at once
    take_life_lock(tmp_path / "lock", patience_s=20).release()
    end(holder)


def test_executed_program_does_not_keep_the_lock(tmp_path: Path) -> None:
    lock = take_life_lock(tmp_path / "lock")
    program = subprocess.Popen(["sleep", "60"])
    try:
        lock.release()
        assert is_free(tmp_path / "lock")
    finally:
        program.kill()
        program.wait()


def test_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    lock = take_life_lock(tmp_path / "lock")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)  # until the parent closes it
        os._exit(0)
    os.close(reading)
    assert not is_free(tmp_path / "lock"), "the child's copy being closed must not free it"
    lock.release()
    try:
        take_life_lock(tmp_path / "lock", patience_s=20).release()  # the child may not have closed it yet
    finally:
        os.close(writing)
        os.waitpid(child, 0)


def test_removed_lock_file_keeps_out_nobody_and_is_not_taken_for_one(tmp_path: Path) -> None:
    """A lock on a file that is no longer there would let two live at once; a new file is made instead."""
    first = take_life_lock(tmp_path / "lock")
    (tmp_path / "lock").unlink()
    second = take_life_lock(tmp_path / "lock")
    with pytest.raises(Locked):
        take_life_lock(tmp_path / "lock", patience_s=0.02)
    first.release()
    with pytest.raises(Locked):
        take_life_lock(tmp_path / "lock", patience_s=0.02)
    second.release()


def test_failed_takes_leak_no_descriptor(tmp_path: Path) -> None:
    lock = take_life_lock(tmp_path / "lock")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the names only
    for _ in range(3):
        with pytest.raises(Locked):
            take_life_lock(tmp_path / "lock", patience_s=0.0)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - the names only
    lock.release()


def test_folder_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(StorageError, match="cannot open lock"):
        take_life_lock(tmp_path / "lock")


def test_editors_of_spec_wait_for_each_other(tmp_path: Path) -> None:
    with editing(tmp_path / ".lock"):
        code = (
            "import sys; from pathlib import Path; from state_layout.files.locks import editing\n"
            "with editing(Path(sys.argv[1]), patience_s=0.05): pass"
        )
        other = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / ".lock")], capture_output=True, text=True, timeout=60
        )
        assert "another command has been editing for 0.05 s; try again" in other.stderr
    with editing(tmp_path / ".lock", patience_s=0.05):
        pass
