"""Starts followers of a tree where none lives, of mirrors and of spans: processes of their own, detached.

A lock decides who follows, so two who start one do no harm, and who lives on after a supervisor's death is
simply found in its place. A follower belongs to no agent and wears no mark.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from maos_sup.system.targets import Target
from state_layout.errors import StorageError
from state_layout.files import atomic
from state_layout.files.locks import is_free, take_life_lock
from state_layout.host.identity import open_process, read_handle
from state_layout.host.mirrored import mirrors_of
from state_layout.paths import Tree

COMMAND, SPANS_COMMAND = "follow", "send-spans"  # of maos-sup, hidden
_PATIENCE_S = 10.0


def start_followers(tree: Tree, *, may: Callable[[str], bool] = lambda _: True) -> list[str]:
    """Start one for each mirror that nobody follows, if it `may` be; their names.

    Never raises for want of resources.
    """
    started = []
    for mirror in mirrors_of(tree):
        try:
            if is_free(tree.mirror_file(mirror.name, "lock")) and may(mirror.name):
                _start([COMMAND, str(tree.root), mirror.name], log=tree.mirror_file(mirror.name, "log"))
                started.append(mirror.name)
        except (OSError, StorageError):
            continue  # the next look tries again
    return started


def start_sending(tree: Tree, *, may: Callable[[], bool] = lambda: True) -> None:
    """Start who sends the tree's spans, where nobody does and it `may` be.

    Never raises for want of resources.
    """
    with suppress(OSError, StorageError):  # the next look tries again
        atomic.make_folder(tree.otel)
        if is_free(tree.otel_file("lock")) and may():
            _start([SPANS_COMMAND, str(tree.root)], log=tree.otel_file("log"))


def _start(words: list[str], *, log: Path) -> None:
    with atomic.opened(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as opened:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "maos_sup", *words],
            stdin=subprocess.DEVNULL,
            stdout=opened,
            stderr=opened,
            cwd="/",
            env=_environment(),
            start_new_session=True,
        )
    process.returncode = 0  # it is nobody's to wait for: no word about it when this object goes


def _environment() -> dict[str, str]:
    """Give our environment, without what an agent around us put there."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MAOS_") or name.startswith("MAOS_SUP_")
    }


def end_follower(tree: Tree, name: str) -> None:
    """End the follower of the mirror `name`, if one lives here, and wait until it has gone. Raises Locked."""
    lock = tree.mirror_file(name, "lock")
    handle = read_handle(tree.mirror_file(name, "handle.json"))
    descriptor = open_process(handle) if handle is not None else None
    if handle is not None and descriptor is not None:
        target = Target(pid=handle.pid, start_time=handle.start_time, pidfd=descriptor)
        target.send(signal.SIGTERM)
        target.close()
    take_life_lock(lock, patience_s=_PATIENCE_S).release()
