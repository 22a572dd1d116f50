"""What the zygote is to import before it forks a given agent: what its kind says every such agent needs.

So the SDK of a model is paid for once, and only where there is an agent of its kind. Never raises: what is
missing is missed, with a clear word, by the agent itself.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from maos_sup.agents.kind import find_kind
from state_layout.errors import LayoutError
from state_layout.files import codec
from state_layout.paths import Tree


def preload_for(tree_root: str, agent: str) -> tuple[str, ...]:
    """The modules to import before `agent` of the tree at `tree_root` is forked."""
    tree = Tree(Path(tree_root))
    spec = tree.agent_spec(agent)
    for path in (spec, tree.accepted_copy(spec)):
        with suppress(OSError, ValueError, KeyError, LayoutError):
            kind = find_kind(codec.decode_object(path.read_bytes())["kind"])
            return tuple(getattr(kind, "preload", ()))
    return ()
