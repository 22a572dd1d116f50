"""Disks that fail: a small file system of memory that can be filled, and processes whose syncs fail."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
from orchestra import wait_for

FILLER, FILES = "filler", "files"


class SmallDisk:
    """A mounted file system of a few megabytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """Leave no byte free; it stays so until `make_room`, whatever is released meanwhile."""
        with (self.folder / FILLER).open("ab", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError as error:
                    assert error.errno == errno.ENOSPC, error

    def fill_with_files(self) -> None:
        """Leave room for bytes, but for no further file."""
        (self.folder / FILES).mkdir()
        with suppress(OSError):
            for number in count():
                (self.folder / FILES / str(number)).touch()

    def remove_files(self) -> None:
        """Undo `fill_with_files`."""
        shutil.rmtree(self.folder / FILES, ignore_errors=True)

    def make_room(self) -> None:
        (self.folder / FILLER).unlink(missing_ok=True)

    def free_bytes(self) -> int:
        room = os.statvfs(self.folder)
        return room.f_bavail * room.f_frsize


@contextmanager
def small_disk(folder: Path, *, size: str = "16m", files: int = 4000) -> Iterator[SmallDisk]:
    """Mount one at `folder`; skips the test where that is not allowed."""
    folder.mkdir()
    options = f"size={size},nr_inodes={files},mode=700"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"cannot mount a small file system: {error}")
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {done.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def failing(
    pid: int, log: Path, *, call: str = "fdatasync", error: str = "EIO", when: str = "1+"
) -> Iterator[None]:
    """Have a system call of a living process fail with `error` (`when`: as strace has it, of each thread)."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}"]
    argv = ["strace", "-f", "-o", str(log), *inject, "-p", str(pid)]
    tracer = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    stderr = tracer.stderr
    assert stderr is not None
    os.set_blocking(stderr.fileno(), False)
    said = b""

    def is_attached() -> bool:
        nonlocal said
        said += stderr.read() or b""
        if b"attached" not in said and tracer.poll() is not None:
            pytest.skip(f"strace cannot attach: {said.decode()}")
        return b"attached" in said

    try:
        wait_for(is_attached, "strace is attached")
        yield
    finally:
        tracer.terminate()
        tracer.wait(10)
        stderr.close()


def injected(log: Path) -> int:
    """Count the calls that were made to fail."""
    return log.read_text().count("(INJECTED)") if log.exists() else 0
