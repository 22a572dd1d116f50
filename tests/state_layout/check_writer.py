"""An agent that works without a pause: life after life, each sending, saving, ending with a word or without.

Run as a process: check_writer.py TREE.
"""

from __future__ import annotations

import sys
from pathlib import Path

from check_trees import Author

from state_layout.files.chain import utc_now
from state_layout.files.locks import take_life_lock
from state_layout.lives.attempts import list_attempts, read_exit, seal_exit
from state_layout.paths import Tree
from state_layout.records import ExitReason


def live(tree: Tree, *, with_a_word: bool) -> None:
    """One life: 20 steps, a checkpoint after every fifth."""
    lock = take_life_lock(tree.agent("alice").lock)
    for number in list_attempts(tree.agent("alice")):
        if read_exit(tree, "alice", number) is None:
            seal_exit(tree, "alice", number, by="agent", reason=ExitReason.LOST)
    author = Author(tree, "alice", utc_now)
    author.write("task", {"task": "count", "run": 1, "phase": "running"})
    for index in range(20):
        author.step(f"step {index}", send=[("bob", "x" * 300), ("all", "y")])
        if index % 5 == 0:
            author.save()
    author.end("parked" if with_a_word else None)
    lock.release()


if __name__ == "__main__":
    here = Tree(Path(sys.argv[1]))
    while True:
        live(here, with_a_word=True)
        live(here, with_a_word=False)
