"""Lives an attempt on "another machine" and stops itself, as by SIGSTOP, in the middle of a chosen append.

`MAOS_SUP_TEST_STOP` is `<part of a path>:<n>`: before the n-th write to such a file, after every look whether
it may write. Nothing of the build under test is replaced: the door to the disk tells before it acts.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from maos_sup.agents import placed
from state_layout.files import disk


def main(tree_root: str, agent: str) -> int:
    part, _, number = os.environ.pop("MAOS_SUP_TEST_STOP", "").rpartition(":")
    left = int(number or 0)

    def stop_at(operation: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if operation != "write" or not part:
            return
        name = str(Path(f"/proc/self/fd/{arguments[0]}").readlink())
        if part in name and name.endswith(".jsonl"):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGSTOP)

    disk.tap(stop_at)
    return placed.main(tree_root, agent)
