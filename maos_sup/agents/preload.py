"""Says what the zygote does for an agent before it forks it: reads its specs, and tells what to import.

Both are paid for once, in a process whose memory is warm: an agent would copy each page that it touches. So
the SDK of a model is imported only where there is an agent of its kind. Never raises: what is missing is
missed, with a clear word, by the agent itself.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path

from maos_sup.agents.registry import find_kind
from maos_sup.standing.supervisors import settled_by_supervisor
from state_layout.errors import LayoutError
from state_layout.paths import Tree
from state_layout.specs.of_agent import AgentSpecs


def preload_for(tree_root: str, agent: str) -> tuple[str, ...]:
    """The modules to import before `agent` of the tree at `tree_root` is forked.

    Its specs are kept for it, and whose the tasks are for all that are forked soon: else each of a hundred
    agents would look at a hundred files.
    """
    specs = AgentSpecs(_tree(tree_root), agent)
    with suppress(LayoutError, OSError):
        specs.survey()
        spec = specs.read().agents.get(agent)
        specs.keep()
        settled_by_supervisor(_tree(tree_root))
        if spec is not None:
            return tuple(getattr(find_kind(spec.kind), "preload", ()))
    return ()


@cache
def _tree(root: str) -> Tree:
    return Tree(Path(root))
