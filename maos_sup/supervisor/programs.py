"""Programs that the supervisor runs and does not wait for: each gets a JSON object, and is ended in time."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from state_layout.files import codec
from state_layout.paths import Tree

LONGEST_S = 60.0  # then it is ended
_MOST_TROUBLES = 5
_POLL_S = 0.05


@dataclass(kw_only=True)
class _Running:
    what: str
    process: subprocess.Popen[bytes]
    said: IO[bytes]
    longest_s: float
    ends_s: float


class Programs:
    """These programs run for one tree. `troubles` is what went wrong with them, for the status."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._running: list[_Running] = []
        self.troubles: list[str] = []

    @property
    def is_busy(self) -> bool:
        """A program runs."""
        return bool(self._running)

    def start(
        self,
        what: str,
        argv: Sequence[str],
        told: Mapping[str, Any],
        *,
        variables: Mapping[str, str],
        longest_s: float = LONGEST_S,
    ) -> None:
        """Run `argv` with `told` on its standard input; `what` names it where it fails. Never raises."""
        environment = {**os.environ, **variables, "MAOS_DIR": str(self._tree.root)}
        import tempfile  # half a megabyte that a supervisor who runs nothing does not need

        said = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the command has ended
        try:
            with tempfile.TemporaryFile() as stdin:
                stdin.write(codec.encode(told) + b"\n")
                stdin.seek(0)
                process = subprocess.Popen(
                    argv,
                    stdin=stdin,
                    stdout=said,
                    stderr=said,
                    cwd=self._tree.root,
                    env=environment,
                    process_group=0,  # our session: the reaper of orphans leaves it to us
                )
        except (OSError, ValueError) as cause:
            said.close()
            why = cause.strerror if isinstance(cause, OSError) else str(cause)
            self.complain(what, f"cannot start {argv[0]!r}: {why}")
            return
        ends_s = time.monotonic() + longest_s
        self._running.append(
            _Running(what=what, process=process, said=said, longest_s=longest_s, ends_s=ends_s)
        )

    def see_ends(self) -> None:
        """Note what has ended, end what takes too long."""
        for running in [*self._running]:
            code = running.process.poll()
            if code is None and time.monotonic() >= running.ends_s:
                with suppress(ProcessLookupError):
                    os.killpg(running.process.pid, signal.SIGKILL)
                code = running.process.wait()
                self.complain(running.what, f"did not end within {running.longest_s:g} s")
            elif code:
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                last = _last_line(running.said)
                self.complain(running.what, f"{how}: {last}" if last else how)
            if code is not None:
                running.said.close()
                self._running.remove(running)

    def wait(self) -> None:
        """Wait until none runs any more: each ends, or is ended when its time is over."""
        while self._running:
            time.sleep(_POLL_S)
            self.see_ends()

    def complain(self, what: str, why: str) -> None:
        """Note that `what` failed."""
        self.troubles = [*self.troubles, f"{what} failed: {why}"][-_MOST_TROUBLES:]


def _last_line(file: IO[bytes]) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - 1000))
    lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip()[:300] if lines else ""
