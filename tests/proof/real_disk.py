"""`python -m proof.real_disk`: the same promises on a real file system that loses its power.

An ext4 image is mounted through a loop device; the script runs on it; at some instant the file system is shut
down without flushing its log (the ioctl that xfstests use), mounted again, and held against what the record,
which lies elsewhere, says was acknowledged by then. Where that is not allowed it is skipped, saying why.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

from state_layout.host.identity import own_handle
from state_layout.paths import Tree

from .cut import OTHER_BOOT
from .history import read_history
from .prove import memory_folder
from .recorder import read, start
from .runs import script
from .states import hold
from .truth import Truth

SHUT_DOWN, NO_LOG_FLUSH = 0x8004587D, 2
IMAGE_MB, ROUNDS, DEEDS = 64, 20, 2000
CUT_AFTER_BYTES = (100_000, 1_200_000)  # of the record
LONGEST_WAIT_S = 60.0


class NotAllowed(RuntimeError):
    """This machine does not let us; the text says what."""


def main() -> int:
    rounds = int(os.environ.get("MAOS_SUP_PROOF_ROUNDS", ROUNDS))
    wrong = known = 0
    try:
        for seed in range(1, rounds + 1):
            acknowledged, broken = one_round(seed)
            known += acknowledged
            for promise, text in broken:
                wrong += 1
                sys.stdout.write(f"VIOLATION round {seed}: {promise}: {text}\n")
    except NotAllowed as reason:
        sys.stdout.write(f"skipped: {reason}\n")
        return 0
    sys.stdout.write(
        f"ext4 on a loop device: {rounds} cuts by the shutdown ioctl, {known} acknowledgements held against "
        f"what was left, violations {wrong}\n"
    )
    return 1 if wrong else 0


def one_round(seed: int) -> tuple[int, list[tuple[str, str]]]:
    """One cut: how much was acknowledged before it, and the promises that are broken. Raises NotAllowed."""
    chance = Random(seed)
    with memory_folder() as folder, tempfile.TemporaryDirectory() as name:
        image, mount, log = Path(name) / "image", Path(name) / "mount", folder / "log"
        _make(image)
        mount.mkdir()
        with _mounted(image, mount):
            known = _live_until_cut(mount, log, seed, after_bytes=chance.randrange(*CUT_AFTER_BYTES))
        with _mounted(image, mount):
            truth = Truth.of(read_history(_whole_records(log), mount / "tree"))
            at = sum(1 for _ in _whole_records(log, known))
            acknowledged = sum(told.at < at for told in truth.history.told)
            return acknowledged, _judged(mount / "tree", truth, at, chance)


def _judged(root: Path, truth: Truth, at: int, chance: Random) -> list[tuple[str, str]]:
    if not root.exists():
        return [("a tree that was made is whole", "it is gone") for _ in truth.told("made", at)]
    _reboot(root)
    return hold(Tree(root), truth, at, chance, {})


def _live_until_cut(mount: Path, log: Path, seed: int, *, after_bytes: int) -> int:
    """Run the script on `mount`, shut that down when the log has grown so far; its length before."""
    child = os.fork()
    if child == 0:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        with suppress(BaseException):
            start(log)
            script.run(mount / "tree", seed, deeds=DEEDS, settles=False)
        os._exit(0)
    descriptor = os.open(mount, os.O_RDONLY)
    try:
        _await(log, after_bytes, child)
        known = log.stat().st_size
        fcntl.ioctl(descriptor, SHUT_DOWN, struct.pack("I", NO_LOG_FLUSH))
    except OSError as error:
        raise NotAllowed(f"this kernel does not shut down an ext4 ({error.strerror})") from error
    finally:
        os.close(descriptor)
        with suppress(ProcessLookupError):
            os.kill(child, 9)
        with suppress(ChildProcessError):
            os.waitpid(child, 0)
    return known


def _await(log: Path, length: int, child: int) -> None:
    """Until the log is so long, or its writer has come to its end."""
    deadline_s = time.monotonic() + LONGEST_WAIT_S
    while time.monotonic() < deadline_s and not (log.exists() and log.stat().st_size >= length):
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(0.0005)


def _whole_records(log: Path, length: int | None = None) -> Iterator[tuple[object, ...]]:
    """The records that are whole within the first `length` bytes."""
    if length is not None:
        part = log.with_suffix(".part")
        part.write_bytes(log.read_bytes()[:length])
        log = part
    with suppress(EOFError, ValueError):
        yield from read(log)


def _reboot(root: Path) -> None:
    """Change what a reboot changes: the id of the boot that files below run/ speak of."""
    boot = own_handle(0).boot_id.encode()
    for path in [path for path in (root / "run").rglob("*.json") if path.is_file()]:
        path.write_bytes(path.read_bytes().replace(boot, OTHER_BOOT.encode()))


# -- the image


def _make(image: Path) -> None:
    if os.geteuid() != 0:
        raise NotAllowed("mounting needs root")
    if not shutil.which("mkfs.ext4"):
        raise NotAllowed("mkfs.ext4 is not installed (e2fsprogs)")
    with image.open("wb") as file:
        file.truncate(IMAGE_MB << 20)
    _call("mkfs.ext4", "-q", "-F", str(image))


@contextmanager
def _mounted(image: Path, mount: Path) -> Iterator[None]:
    _call("mount", "-o", "loop", str(image), str(mount))
    try:
        yield
    finally:
        _call("umount", str(mount))


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotAllowed(f"{' '.join(command[:1])}: {done.stderr.strip() or done.returncode}")


if __name__ == "__main__":
    sys.exit(main())
