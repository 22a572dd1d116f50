"""Starts a supervisor, detached: it outlives the terminal and whoever started it.

Python's `-P` keeps modules of the current folder, somebody's project, from passing for the standard library.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from maos_sup.standing.supervisors import supervisor_standing
from maos_sup.views.status import status_of
from state_layout.errors import LayoutError, Locked
from state_layout.files import atomic
from state_layout.files.fence import refuse_links
from state_layout.files.reading import opened_record
from state_layout.paths import Tree
from state_layout.records import Want

PATIENCE_S = 60.0
_OTHERS_PATIENCE_S = 3.0  # from its lock until its handle
_FINE = (0, 3)  # it had nothing to do, or a task failed


class Started:
    """The supervisor was started by this process, which as its parent must ask for its end."""

    def __init__(self, process: subprocess.Popen[bytes] | None) -> None:
        self._process = process

    @property
    def exit_code(self) -> int | None:
        """The supervisor ended with this; negative: the signal; None while it runs, or if it is another's
        child."""
        return None if self._process is None else self._process.poll()

    def let_go(self) -> None:
        """Leave it running: no word about it when this process ends."""
        if self._process is not None and self._process.poll() is None:
            self._process.returncode = 0


def is_supervised(tree: Tree) -> bool:
    """A supervisor of `tree` lives on this host."""
    return supervisor_standing(tree).pid is not None


def start_supervisor(tree: Tree) -> Started:
    """Start a supervisor unless one lives, and wait until it has published what it sees.

    Raises LayoutError with the last words of one that ended at once, Locked where another lives elsewhere.
    """
    supervisor = supervisor_standing(tree)
    if supervisor.elsewhere is not None:
        raise Locked(
            f"{tree.root}: is supervised already, elsewhere: {supervisor.elsewhere}; edits act there; "
            "watch with 'maos-sup attach'"
        )
    if supervisor.pid is not None:
        return Started(None)
    before = _published(tree)
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
    _await_news(tree, process, before=before, log_from=begin)
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
    """Give our environment; but a supervisor started in an agent of this tree must not pass for a part of
    it."""
    inside = os.environ.get("MAOS_DIR")
    if inside is None or Path(inside).resolve() != tree.root:
        return dict(os.environ)
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MAOS_") or name.startswith("MAOS_SUP_")
    }


def _published(tree: Tree) -> tuple[int, int] | None:
    """Identify the snapshot of a supervisor that there is; another one is newer."""
    try:
        found = tree.supervisor_status.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _await_news(
    tree: Tree, process: subprocess.Popen[bytes], *, before: tuple[int, int] | None, log_from: int
) -> None:
    """Wait until the supervisor that is `process` has published, or another is seen to live."""
    until_s = time.monotonic() + PATIENCE_S
    while (code := process.poll()) is None:
        if _published(tree) != before:
            return
        if time.monotonic() > until_s:
            raise LayoutError(
                f"the supervisor has not begun after {PATIENCE_S:g} s; it may still: see maos-sup status "
                f"and {tree.supervisor_log}"
            )
        time.sleep(0.01)
    if code == Locked.exit_code:
        _await_other(tree, _last_words(tree, log_from))
    elif code not in _FINE:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        last = _last_words(tree, log_from)
        raise LayoutError(f"the supervisor ended at once ({how}): {last}; see {tree.supervisor_log}")


def _await_other(tree: Tree, last_words: str) -> None:
    """Wait until the supervisor that was faster is seen. Raises Locked if none is: it lives elsewhere."""
    until_s = time.monotonic() + _OTHERS_PATIENCE_S
    while not is_supervised(tree):
        if time.monotonic() > until_s:
            raise Locked(last_words)
        time.sleep(0.01)


def _last_words(tree: Tree, log_from: int) -> str:
    with opened_record(tree.supervisor_log) as log:
        log.seek(log_from)
        text = log.read().decode("utf-8", "replace").strip()
    last = text.splitlines()[-1] if text else "it said nothing"
    return last.removeprefix("maos-sup: ")
