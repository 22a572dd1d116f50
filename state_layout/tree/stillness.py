"""Hold a tree still: nobody lives in it and nobody can start, for what living processes must not see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from state_layout.files.fence import refuse_links
from state_layout.files.locks import take_life_lock
from state_layout.files.looking import is_link
from state_layout.files.reading import is_folder
from state_layout.paths import Tree


@contextmanager
def held_still(tree: Tree) -> Iterator[None]:
    """Hold the locks of the supervisor and of every agent.

    Raises Locked while one of them lives, Damaged for a link in the place of a folder, StorageError.
    """
    refuse_links(tree.root, tree.supervisor, tree.agents)
    with ExitStack() as held:
        held.callback(take_life_lock(tree.supervisor_lock).release)
        for folder in sorted(tree.agents.iterdir()) if is_folder(tree.agents) else []:
            if is_folder(folder) and not is_link(folder):
                held.callback(take_life_lock(folder / "lock").release)
        yield
