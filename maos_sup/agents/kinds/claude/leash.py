"""Has Claude Code die with its agent. Linux; elsewhere it is ended by the agent's next life only.

Without its agent there is nobody at the gates: it takes the end of its standard input for an answer, runs
what its own rules allow, on no record, and asks the model on with all else denied, for money that nobody
counts. Also a program of its own, `python -I -S leash.py PARENT -- ARGV...`, because the wish is set in the
child before it executes, and code between fork and exec of a process with threads is not safe. So this file
imports nothing but the standard library. The kernel looks at the thread that started it: let that be the
agent's main thread.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
REFUSED = 126


def leashed(argv: Sequence[str]) -> list[str]:
    """Make of `argv` a command that the kernel kills when this process dies."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), "--", *argv]


def main(arguments: list[str]) -> int:
    """Become the program, on a leash. Returns only if that failed or the parent is dead already."""
    parent, separator, *argv = arguments
    if separator != "--" or not argv:
        return REFUSED
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != int(parent):
            return REFUSED
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        sys.stderr.write(f"cannot start {argv[0]}: {error}\n")
    return REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
