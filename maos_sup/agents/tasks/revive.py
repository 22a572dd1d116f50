"""Starts the next supervisor where none lives: who settles a task, and finds itself alone, calls one back.

The new supervisor must not be taken for something that this agent left running: it wears no mark, and by a
double fork it is nobody's child here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress

from maos_sup.agents.work import outside_environment
from maos_sup.system.linux import become_subreaper
from state_layout.errors import StorageError
from state_layout.files import atomic, codec, disk
from state_layout.files.locks import is_free
from state_layout.files.reading import read_record
from state_layout.host.identity import is_alive, is_of_other_namespace, read_handle, tree_place
from state_layout.paths import Tree

_FORK = '"$@" </dev/null & :'


def is_supervised(tree: Tree) -> bool:
    """A supervisor lives, or may live: only a handle of this very place is believed."""
    try:
        place = codec.decode_object(read_record(tree.host))
    except (OSError, codec.NotJson):
        place = {}
    handle = read_handle(tree.supervisor_handle)
    if handle is None or place != tree_place(tree):
        return False
    if is_of_other_namespace(handle):
        with suppress(StorageError):
            return not is_free(tree.supervisor_lock)
    return is_alive(handle) is not False


def revive(tree: Tree) -> bool:
    """Start a supervisor unless one lives; whether one was started. Two at once do no harm: a lock decides.

    Who was placed on another machine starts none there: it would see neither the lock nor the processes.
    Call it while nothing of a program is left. Never raises for want of resources: the next one tries again.
    """
    if disk.is_guarded() or is_supervised(tree):
        return False
    with suppress(OSError, StorageError):
        _start(tree)
        return True
    return False


def _start(tree: Tree) -> None:
    atomic.make_folder(tree.run)
    argv = ["/bin/sh", "-c", _FORK, "sh", sys.executable, "-P", "-m", "maos_sup", "supervise", str(tree.root)]
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    with atomic.opened(tree.supervisor_log, flags) as log:
        become_subreaper(is_one=False)
        try:
            subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=outside_environment(),
                start_new_session=True,
                check=False,
            )
        finally:
            become_subreaper(is_one=True)
