"""Starts a supervisor, detached: it outlives the terminal and whoever started it.

Python's `-P` keeps modules of the current folder, somebody's project, from passing for the standard library.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from maos_sup.views.sight import see_supervisor
from maos_sup.views.status import status_of
from state_layout.errors import LayoutError, Locked
from state_layout.files import atomic
from state_layout.files.fence import refuse_links
from state_layout.paths import Tree
from state_layout.records import Want

PATIENCE_S = 15.0
_TASK_FAILED = 3  # the exit code of a supervisor whose work ended with a failed task


class Started:
    """A supervisor that this process started; being its parent, this process must ask for its end."""

    def __init__(self, process: subprocess.Popen[bytes] | None) -> None:
        self._process = process

    @property
    def exit_code(self) -> int | None:
        """How it ended; negative: the signal; None while it runs, or if it is another's child."""
        return None if self._process is None else self._process.poll()

    def let_go(self) -> None:
        """Leave it running: no word about it when this process ends."""
        if self._process is not None and self._process.poll() is None:
            self._process.returncode = 0


def is_supervised(tree: Tree) -> bool:
    """Whether a supervisor of `tree` lives on this host."""
    return see_supervisor(tree).pid is not None


def start_supervisor(tree: Tree) -> Started:
    """Start a supervisor unless one lives, and wait until one does.

    Raises LayoutError with the last words of one that ended at once.
    """
    if is_supervised(tree):
        return Started(None)
    refuse_links(tree.root, tree.run)
    atomic.make_folder(tree.run)
    with atomic.opened(tree.supervisor_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as log:
        begin = os.fstat(log).st_size
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "maos_sup", "supervise", str(tree.root)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_environment(tree),
            start_new_session=True,
        )
    _await_handle(tree, process, log_from=begin)
    return Started(process)


def see_to_it(tree: Tree) -> str | None:
    """See to it that somebody acts on an edit: what was done, or stands in its way; None for nothing.

    Raises LayoutError with the last words of a supervisor that ended at once.
    """
    status = status_of(tree)
    if status["want"] != Want.RUN:
        return f"the orchestration as a whole is wanted to {status['want']}"
    if not status["counts"]["tasks_left"] or is_supervised(tree):
        return None
    start_supervisor(tree).let_go()
    return "supervisor started"


def _environment(tree: Tree) -> dict[str, str]:
    """Ours; but a supervisor started from inside an agent of this tree must not pass for a part of it."""
    inside = os.environ.get("MAOS_DIR")
    if inside is None or Path(inside).resolve() != tree.root:
        return dict(os.environ)
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MAOS_") or name.startswith("MAOS_SUP_")
    }


def _await_handle(tree: Tree, process: subprocess.Popen[bytes], *, log_from: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_supervised(tree):
        code = process.poll()
        if code is not None and not _is_fine(code):
            raise LayoutError(_last_words(tree, code, log_from))
        if code is not None or time.monotonic() > deadline:
            return
        time.sleep(0.01)


def _is_fine(code: int) -> bool:
    """It had nothing to do, a task failed, or another supervisor was faster."""
    return code in (0, _TASK_FAILED, Locked.exit_code)


def _last_words(tree: Tree, code: int, log_from: int) -> str:
    with tree.supervisor_log.open("rb") as log:
        log.seek(log_from)
        text = log.read().decode("utf-8", "replace").strip()
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    last = text.splitlines()[-1] if text else "it said nothing"
    return (
        f"the supervisor ended at once ({how}): {last.removeprefix('maos-sup: ')}; see {tree.supervisor_log}"
    )
