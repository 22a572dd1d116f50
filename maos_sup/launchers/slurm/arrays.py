"""Says what is written of an array before it is submitted: whose task is whose. Never changed, read by
each task.

The name of its job leads to the file, so a supervisor that died before it heard the number of the array, and
one that comes after it, know whom it serves.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from maos_sup.launchers.base import Submission
from maos_sup.launchers.slurm.commands import Task
from state_layout.errors import storage_error
from state_layout.files import atomic
from state_layout.files.reading import read_record
from state_layout.paths import Tree


class ArrayRecord(Struct, frozen=True, kw_only=True):
    """`supervisor/arrays/<token>.json` has agent and attempt of each task, in the order of their numbers."""

    tasks: tuple[Task, ...]


class Arrays:
    """The object keeps the arrays of one tree."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._known = dict[str, tuple[Task, ...]]()  # by token; a record that is there stays as it is
        self._tokens = dict[tuple[Task, ...], str]()  # what is tried again needs no other record

    def write(self, batch: Sequence[Submission]) -> str:
        """Write down whose tasks those of a new array are, durably; its token. Raises StorageError.

        The same batch has the same token: Slurm may be away for a day, and is asked every few seconds.
        """
        tasks = tuple((one.agent, one.attempt) for one in batch)
        token = self._tokens.get(tasks)
        if token is None:
            token = uuid.uuid4().hex[:12]
            atomic.make_folder(self._tree.arrays)
            atomic.create_once(self._tree.array(token), msgspec.json.encode(ArrayRecord(tasks=tasks)))
            self._tokens[tasks] = token
        return token

    def tasks(self, token: str) -> Sequence[Task]:
        """Find the tasks of an array; none where nothing is written of it. Raises StorageError."""
        known = self._known.get(token)
        if known is None and token.isalnum():
            known = read_tasks(self._tree.array(token))
            if known:
                self._known[token] = known
        return known or ()


def read_tasks(path: Path) -> tuple[Task, ...]:
    """Read what a record says; nothing where there is none. Raises StorageError."""
    try:
        return msgspec.json.decode(read_record(path), type=ArrayRecord).tasks
    except FileNotFoundError:
        return ()
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
    except msgspec.MsgspecError as cause:
        raise storage_error("read", path, OSError(0, f"is no record of an array: {cause}")) from cause
