"""What the zygote is to import before it forks a given agent: what its kind says every such agent needs.

So the SDK of a model is paid for once, and only where there is an agent of its kind. Never raises: what is
missing is missed, with a clear word, by the agent itself.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from maos_sup.agents.kind import find_kind
from state_layout.errors import LayoutError
from state_layout.files import codec
from state_layout.files.reading import read_record
from state_layout.paths import Tree
from state_layout.specs.of_agent import AgentSpecs

_KEPT_S = 1.0
_kept_until_s: dict[str, float] = {}  # by tree


def preload_for(tree_root: str, agent: str) -> tuple[str, ...]:
    """The modules to import before `agent` of the tree at `tree_root` is forked.

    Reads the tasks for all that are forked soon: else each of a hundred agents would read a hundred files.
    """
    tree = Tree(Path(tree_root))
    now_s = time.monotonic()
    if now_s >= _kept_until_s.get(tree_root, 0.0):
        _kept_until_s[tree_root] = now_s + _KEPT_S
        with suppress(LayoutError, OSError):
            AgentSpecs(tree, agent).keep()
    spec = tree.agent_spec(agent)
    for path in (spec, tree.accepted_copy(spec)):
        with suppress(OSError, ValueError, KeyError, LayoutError):
            kind = find_kind(codec.decode_object(read_record(path))["kind"])
            return tuple(getattr(kind, "preload", ()))
    return ()
