"""Says how far the mirrors of a tree are behind, as their followers told last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from state_layout.files.reading import is_folder
from state_layout.paths import Tree

if TYPE_CHECKING:
    from maos_sup.views.shapes import MirrorShown
    from state_layout.host.mirrored import Mirrored


def mirrors_told(tree: Tree) -> list[MirrorShown]:
    """List the mirrors of the tree."""
    if not is_folder(tree.mirrors):  # of most
        return []
    from state_layout.host.mirrored import mirrors_of

    return [_told(tree, mirror) for mirror in mirrors_of(tree)]


def _told(tree: Tree, mirror: Mirrored) -> MirrorShown:
    from state_layout.host.mirrored import status_of_mirror

    told = status_of_mirror(tree, mirror.name)
    return {
        "name": mirror.name,
        "url": mirror.url,
        "state": told.get("state"),
        "alive": told["alive"],
        "lag_bytes": told.get("lag_bytes"),
        "lag_s": told.get("lag_s"),
        "trouble": told.get("trouble"),
        "at": told.get("at"),
    }


def mirror_line(told: MirrorShown) -> str:
    """Put one mirror in words."""
    where = f"mirror {told['name']} ({told['url']})"
    behind, note = told["lag_bytes"] or 0, f"; {told['trouble']}" if told["trouble"] else ""
    late = f"{behind:,} bytes behind" if behind or told["lag_bytes"] is None else "up to date"
    if told["state"] == "waiting":
        late, note = f"{behind:,} bytes and {told['lag_s'] or 0:g} s behind", f": {told['trouble']}"
    if told["alive"]:
        return f"{where}: {late}{note}"
    is_known = told["alive"] is not None
    who = "nobody follows now" if is_known else "whether anybody follows cannot be seen from here"
    if told["at"] is None:
        return f"{where}: {who}, and nobody has told yet how far it is: maos-sup mirror status"
    return f"{where}: {who}; it was {late} at {told['at']}{note}"
