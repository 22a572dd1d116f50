"""One of several processes, on hosts of their own, that try together what a shared folder promises.

Run as `main` with the folder, the number of processes and its own number (else `SLURM_PROCID`). They meet by
files, look by listing folders and open anew what they read, as agents on other machines do; each leaves what
it found in `result-<number>.json`. Nothing of the package but this module is needed on a host.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PATIENCE_S = 60.0
FOLDERS, RENAMES, APPENDS, SYNCS = 200, 200, 20, 20
_POLL_S = 0.002
_WORDS = 1000  # in the file that is replaced: more than one page


class SharedProbe:
    """Process `number` of `count` does this in `folder`; `told` is what it found."""

    def __init__(self, folder: Path, *, number: int, count: int) -> None:
        self._folder, self._number, self._count = folder, number, count
        self.told: dict[str, object] = {"host": os.uname().nodename, "number": number}

    def run(self) -> None:
        """Do everything, in step with the others."""
        for stage in (self.claim, self.replace, self.append, self.sync, self.lock):
            self._meet(stage.__name__)
            stage()
        self._meet("end")

    def claim(self) -> None:
        """Make the same folders as all others at once: each must have one maker."""
        won = []
        for index in range(FOLDERS):
            with suppress(FileExistsError):
                (self._folder / f"claim-{index}").mkdir()
                won.append(index)
        self.told["claimed"] = won

    def replace(self) -> None:
        """One replaces a file by renames, the others read: never a mixture, never nothing."""
        path = self._folder / "replaced"
        torn = absent = 0
        if self._number == 0:
            for index in range(RENAMES):
                aside = self._folder / "replaced.new"
                aside.write_text(f"{index} " * _WORDS)
                aside.rename(path)
            (self._folder / "replaced-all").touch()
        else:
            self._await(lambda: "replaced" in self._names())
            while "replaced-all" not in self._names():
                try:
                    torn += len({*path.read_text().split()}) != 1
                except FileNotFoundError:
                    absent += 1
                except OSError:
                    pass  # ESTALE: replaced while it was read; whoever reads tries again
        self.told |= {"torn": torn, "absent": absent}

    def append(self) -> None:
        """One appends lines, the second answers each when it sees it: how long that takes."""
        path, lags_s = self._folder / "appended", list[float]()
        for index in range(APPENDS if self._number < 2 and self._count > 1 else 0):
            if self._number == 0:
                begun_s = time.monotonic()
                with path.open("ab") as file:
                    file.write(b"a line of some length\n")
                    file.flush()
                    os.fsync(file.fileno())
                self._await(lambda index=index: f"answer-{index}" in self._names())  # type: ignore[misc]
                lags_s.append(time.monotonic() - begun_s)
            else:
                self._await(lambda index=index: _lines(path) > index)  # type: ignore[misc]
                (self._folder / f"answer-{index}").touch()
        self.told["lags_s"] = sorted(lags_s)

    def sync(self) -> None:
        """Measure how long a durable append takes."""
        took_s = []
        with (self._folder / f"synced-{self._number}").open("ab") as file:
            for _ in range(SYNCS):
                begun_s = time.monotonic()
                file.write(b"a line of some length\n")
                file.flush()
                os.fsync(file.fileno())
                took_s.append(time.monotonic() - begun_s)
        self.told["syncs_s"] = sorted(took_s)

    def lock(self) -> None:
        """Try whether a lock that one holds keeps the others out."""
        with (self._folder / "lock").open("ab") as file:
            try:
                if self._number == 0:
                    fcntl.flock(file, fcntl.LOCK_EX)
                    (self._folder / "locked").touch()
                else:
                    self._await(lambda: "locked" in self._names())
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.told["lock"] = "taken"
            except BlockingIOError:
                self.told["lock"] = "refused"
            except OSError as cause:
                self.told["lock"] = f"impossible: {cause.strerror}"
                (self._folder / "locked").touch()
            self._meet("locked")

    def _meet(self, stage: str) -> None:
        """Wait until all have come so far."""
        (self._folder / f"at-{stage}-{self._number}").touch()
        everybody = {f"at-{stage}-{number}" for number in range(self._count)}
        self._await(lambda: everybody <= self._names())

    def _await(self, condition: Callable[[], bool]) -> None:
        until_s = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > until_s:
                raise TimeoutError(f"what another host did was not seen within {PATIENCE_S:g} s")
            time.sleep(_POLL_S)

    def _names(self) -> set[str]:
        return {entry.name for entry in os.scandir(self._folder)}


def _lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0


def main() -> None:
    """Be one of the processes: arguments are the folder, the count and, but for Slurm, the number."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    number = int(sys.argv[3] if len(sys.argv) > 3 else os.environ["SLURM_PROCID"])
    probe = SharedProbe(folder, number=number, count=count)
    try:
        probe.run()
    except OSError as cause:
        probe.told["trouble"] = str(cause)
    (folder / f"result-{number}.json").write_text(json.dumps(probe.told))


if __name__ == "__main__":
    main()
