"""A tree that is moved away under an agent: the agent ends, wherever in its life it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import takewhile

from stage import Stage, operations, shell, wait_for

from state_layout.lives.attempts import recall
from state_layout.paths import Tree

Make = Callable[..., Stage]
TALKS = 'while :; do echo "found: it"; sleep 0.05; done'
LAST_OPERATION = 60  # by then it talks


def test_tree_moved_at_each_disk_operation_ends_its_agent_and_is_not_made_again(stage: Make) -> None:
    for operation in takewhile(lambda number: number <= LAST_OPERATION, operations()):
        one = stage({"ann": shell(TALKS)}, limits={"stop_grace_s": 0.2})
        there, seen = one.folder / "moved", 0

        def tap(
            name: str, arguments: tuple[object, ...], *, one: Stage = one, operation: int = operation
        ) -> None:
            nonlocal seen
            seen += 1
            if seen == operation:
                os.rename(one.root, one.folder / "moved")  # noqa: PTH104 - as mv does

        life = one.live("ann", tap=tap)
        wait_for(there.exists, f"operation {operation}")
        assert life.wait(deadline_s=30) != 0, (operation, one.log())
        assert not one.root.exists(), (operation, [*one.root.rglob("*")])
        assert "Traceback" not in one.log(), (operation, one.log())
        tasks = recall(Tree(there), "ann").history.tasks
        assert [task.error for task in tasks.values() if task.error] == [], operation
