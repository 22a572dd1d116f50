"""Gives what does not merge to the agent `resolver`, which is the author of neither side."""

from __future__ import annotations

from collections.abc import Collection

from maos_sup.core.overlaps import RESOLVER
from maos_sup.steering.wanting import prompt
from state_layout.files.looking import exists
from state_layout.paths import Tree, is_name
from state_layout.specs import add_spec, read_specs

MERGE = "merge"  # the key of a task that begins with a merge: {"ours", "theirs", "of"}
_TEXT = """Two pieces of work on one project do not merge: that of {agent}, and what has landed before{of}.
Your worktree holds the merge as far as git could make it; where it could not, the files have conflict marks
(<<<<<<<, =======, >>>>>>>). Edit these files so that both pieces of work are kept as they were meant, remove
the marks, and see to it that the result works. Do not run git merge: what you leave is committed as one."""


def give_to_resolver(
    tree: Tree, agent: str, others: Collection[str], *, ours: str, theirs: str
) -> str | None:
    """Add the task that merges the commit `theirs`, work of `agent`, into `ours`, which holds that of
    `others`.

    None where no agent is called `resolver`, or it is an author itself. The same task is not given twice.
    Raises BadInput.
    """
    specs = read_specs(tree).specs
    if RESOLVER not in specs.agents or RESOLVER in {agent, *others}:
        return None
    task = f"resolve-{agent[:40]}-{theirs[:8]}-{ours[:8]}"
    if not is_name(task):
        return None
    if not exists(tree.task_spec(task)):
        of = f" (of {', '.join(sorted(others))})" if others else ""
        value = {
            "agent": RESOLVER,
            "description": _TEXT.format(agent=agent, of=of),
            "needs": [],
            "want": "run",
            "run": 1,
            MERGE: {"ours": ours, "theirs": theirs, "of": agent},
        }
        add_spec(tree, tree.task_spec(task), value)
        prompt(tree)
    return task
