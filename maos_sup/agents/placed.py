"""One life of an agent on another machine than its supervisor's: claimed, leased, and fenced.

The claim is the attempt's folder, made exclusively: of two jobs for one attempt the second leaves without a
word. From then on three things may end this process, at once and for good, in whatever thread they are seen:
a newer attempt, looked for before each change of the disk (`files.disk`); a lease that could not be renewed
for its time to live, seen before each change and by a thread that does nothing else; and a folder that is not
there any more. A process that was suspended and wakes up beside its successor meets the first two.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from contextlib import suppress

from maos_sup.agents import runner
from maos_sup.system.children import end_marked
from state_layout.errors import BadInput, StorageError, storage_error
from state_layout.files import atomic, disk
from state_layout.host.beats import read_beat
from state_layout.host.marks import mark_of
from state_layout.host.stats import boot_id
from state_layout.lives.leases import BUMPS, Lease, write_lease
from state_layout.lives.takeover import take_files_over
from state_layout.paths import Tree

ATTEMPT, LAUNCHER, JOB = "MAOS_SUP_ATTEMPT", "MAOS_SUP_LAUNCHER", "MAOS_SUP_JOB"
FENCED = 76  # the exit code of who may not write any more
_TELLING_S = 1.0  # at most, for the last word
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the machine sleeps


def main(tree_root: str, agent: str) -> int:
    """Live the attempt that the environment names; the exit code of the process.

    0 also where somebody else has it already.
    """
    number = os.environ.get(ATTEMPT, "")
    if not number.isdecimal():
        sys.stderr.write(f"agent: {ATTEMPT} is {number!r}; a launcher gives the number of the attempt\n")
        return BadInput.exit_code
    launcher, job = os.environ.pop(LAUNCHER, ""), os.environ.pop(JOB, "")
    os.environ.pop(ATTEMPT)
    return runner.main(tree_root, agent, claim=Claim(number=int(number), launcher=launcher, job=job))


class Claim:
    """A claim makes an attempt on this machine the only one that may write, and tells others that it
    lives."""

    def __init__(self, *, number: int, launcher: str, job: str) -> None:
        self.number, self._launcher, self._job = number, launcher, job
        self._ttl_s = 0.0
        self._bumped_s = 0.0
        self._n = 0
        self._is_over = False
        self._stopping = threading.Lock()

    def take(self, tree: Tree, agent: str, *, ttl_s: float, hang_s: float) -> bool:
        """Claim the attempt; false if somebody has it, or a later one. Raises StorageError.

        It beats by its lease, so that moves several times within `hang_s`.
        """
        self._tree, self._agent, self._ttl_s = tree, agent, ttl_s
        self._every_s = min(ttl_s, hang_s) / BUMPS
        self._attempts = os.fspath(tree.agent(agent).attempts)
        self._paths = tree.agent(agent).attempt(self.number)
        self._beat = os.fspath(tree.beat(agent))
        self._mark = mark_of(tree, agent, self.number)
        atomic.make_folder(tree.agent(agent).attempts)
        if self._newest() >= self.number or not self._is_made():
            return False
        self._bumped_s = time.clock_gettime(_CLOCK)
        self._bump()
        disk.guard(self.look)
        threading.Thread(target=self._renew, name="lease", daemon=True).start()
        threading.Thread(target=self._watch, name="lease-watch", daemon=True).start()
        take_files_over(tree, agent)
        return True

    def look(self) -> None:
        """End this process unless it may write."""
        if time.clock_gettime(_CLOCK) - self._bumped_s > self._ttl_s:
            self._stop(f"its lease could not be renewed for {self._ttl_s:g} s")
        try:
            newest = self._newest()
        except OSError as cause:
            if not os.path.isdir(self._tree.root):  # noqa: PTH112 - never raises
                return  # moved or removed: whoever writes there is told
            self._stop(f"its attempts cannot be read: {cause.strerror}")
        if newest != self.number:
            self._stop(f"attempt {newest} has taken its place" if newest else "its folder is gone")

    def end(self) -> None:
        """This life said its last word."""
        self._is_over = True

    def _newest(self) -> int:
        with os.scandir(self._attempts) as entries:
            return max((int(entry.name) for entry in entries if entry.name.isdecimal()), default=0)

    def _is_made(self) -> bool:
        try:
            disk.mkdir(self._paths.root, atomic.FOLDER_MODE)
        except FileExistsError:
            return False
        except OSError as cause:
            raise storage_error("create folder", self._paths.root, cause) from cause
        return True

    def _bump(self) -> None:
        beat = read_beat(self._beat)
        self._n += 1
        begun_s = time.clock_gettime(_CLOCK)
        lease = Lease(
            n=self._n,
            ttl_s=self._ttl_s,
            launcher=self._launcher,
            job=self._job,
            host=os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
            boot_id=boot_id(),
            pid=os.getpid(),
            beat=beat.beat if beat else 0,
            progress=beat.progress if beat else 0,
            expect_s=beat.expect_s if beat else 0,
        )
        write_lease(self._paths.lease, lease)
        self._bumped_s = begun_s  # others see it from a later moment on

    def _renew(self) -> None:
        while not self._is_over:
            time.sleep(self._every_s)
            with suppress(StorageError):
                self._bump()

    def _watch(self) -> None:
        """See that the lease is renewed, though whoever renews it may hang on a disk that does not answer."""
        while not self._is_over:
            time.sleep(self._every_s)
            if time.clock_gettime(_CLOCK) - self._bumped_s > self._ttl_s:
                self._stop(f"its lease could not be renewed for {self._ttl_s:g} s")

    def _stop(self, why: str) -> None:
        """End this process and what it started. Nothing is written to the tree any more.

        Threads that come to look meanwhile wait here for the end of the process. The disk may hang: what was
        started ends first, and nothing waits long for the word that is left in the job's log.
        """
        self._stopping.acquire()
        with suppress(OSError):
            end_marked({self._mark})
        teller = threading.Thread(target=self._tell, args=(why,), daemon=True)
        teller.start()
        teller.join(_TELLING_S)
        os._exit(FENCED)

    def _tell(self, why: str) -> None:
        with suppress(OSError):
            sys.stderr.write(f"agent: attempt {self.number} of {self._agent} ends: {why}\n")
