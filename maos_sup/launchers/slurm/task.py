"""One task of an array, on its node: finds whose it is, and is that agent."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from maos_sup.launchers.slurm.arrays import read_tasks
from maos_sup.launchers.zygote import execute_agent
from state_layout.errors import BadInput, StorageError
from state_layout.files import atomic
from state_layout.paths import Tree


def execute_task() -> None:
    """Be the agent of this task: arguments are the entry, the tree's root and the record of the array."""
    entry, root, record = sys.argv[1:4]
    index = os.environ.get("SLURM_ARRAY_TASK_ID", "")
    try:
        tasks = read_tasks(Path(record))
    except StorageError as error:
        sys.exit(f"agent: {error}")
    if not index.isdecimal() or int(index) >= len(tasks):
        sys.stderr.write(f"agent: {record} says nothing of task {index!r}\n")
        sys.exit(BadInput.exit_code)
    agent, attempt = tasks[int(index)]
    os.environ["MAOS_SUP_ATTEMPT"] = str(attempt)
    _write_to(Tree(Path(root)).job_log(agent))
    execute_agent(entry, root, agent)


def _write_to(log: Path) -> None:
    """Have what this process says in the agent's own log; where that cannot be, in the array's."""
    with suppress(OSError, StorageError):
        atomic.make_folder(log.parent)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, atomic.FILE_MODE)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)
