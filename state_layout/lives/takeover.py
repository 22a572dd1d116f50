"""Takes the files over that the attempts of one agent share, from a rival that may still be about to append.

Each journal belongs to one attempt, and what follows the line that a successor pins is void. Mail, budget and
shared state have one file for all attempts. Who writes opens first, then looks whether a successor is there,
then appends; so a successor that has made its folder, and puts a copy in the place of each such file, leaves
to whoever looked before that a file without a name: what he still appends is nowhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from state_layout.errors import storage_error
from state_layout.files import atomic
from state_layout.files.looking import is_link, is_regular
from state_layout.paths import Tree


def take_files_over(tree: Tree, agent: str) -> int:
    """Put a copy in the place of each file that `agent` appends to in all its lives; how many there are.

    Durable. Raises StorageError.
    """
    paths = [path for path in _shared_files(tree, agent) if is_regular(path) and not is_link(path)]
    for path in paths:
        try:
            with atomic.opened(path, os.O_RDONLY) as descriptor:
                data = b"".join(iter(lambda: os.read(descriptor, 1 << 20), b""))
        except OSError as cause:
            raise storage_error("read", path, cause) from cause
        atomic.replace(path, data)
    return len(paths)


def _shared_files(tree: Tree, agent: str) -> Iterator[Path]:
    yield from sorted(tree.mail.glob(f"*/{agent}.jsonl"))
    yield tree.budget_file(agent)
    yield from sorted(tree.state.glob(f"**/{agent}.jsonl"))
