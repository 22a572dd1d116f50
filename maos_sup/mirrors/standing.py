"""Says how far a mirror is behind the files, and whether it holds the history that they are."""

from __future__ import annotations

from typing import TypedDict

from maos_sup.mirrors.looking import Looker
from maos_sup.mirrors.mirror import Mirror, MirrorTrouble
from maos_sup.mirrors.registry import open_mirror
from maos_sup.mirrors.sources import source_of
from state_layout.errors import BadInput
from state_layout.files.journal import Reader
from state_layout.host.mirrored import Mirrored, mirrors_of, status_of_mirror
from state_layout.paths import Tree
from state_layout.witness import id_of


class MirrorStanding(TypedDict):
    """Tells how a mirror stands; `lag_bytes` is None where it cannot be asked."""

    name: str
    url: str
    state: str
    pid: int | None
    lag_bytes: int | None
    lag_s: float
    lines: int | None
    trouble: str | None


def standing_of(tree: Tree, mirrored: Mirrored) -> MirrorStanding:
    """Ask the database itself how `mirrored` stands."""
    told = status_of_mirror(tree, mirrored.name)
    state = (told["state"] or "new") if told["alive"] else "at rest"
    found: MirrorStanding = {
        "name": mirrored.name,
        "url": mirrored.url,
        "state": state,
        "pid": told["pid"],
        "lag_bytes": None,
        "lag_s": told["lag_s"] or 0.0,
        "lines": told["lines"],
        "trouble": told["trouble"],
    }
    try:
        mirror = open_mirror(mirrored.place, id_of(tree))
    except (MirrorTrouble, BadInput) as cause:
        return {**found, "trouble": str(cause)}
    try:
        looker = Looker(tree, mirror.look())
        looker.scanner.look(is_whole=True)
        behind = looker.behind_bytes + looker.behind_contents()
    except MirrorTrouble as cause:
        return {**found, "trouble": str(cause)}
    finally:
        mirror.close()
    if not told["alive"]:
        found["state"] = "behind" if behind else "up to date"
    return {**found, "lag_bytes": behind}


def refuse_twice(tree: Tree, identity: str) -> None:
    """Raise BadInput where a mirror of `identity` is one that the tree has, by another URL.

    Two followers would take it from each other again and again. One that cannot be asked now is another one,
    for this one could: it is closed before, as it may have been the last that the server lets in.
    """
    for other in mirrors_of(tree):
        try:
            known = open_mirror(other.place, id_of(tree))
        except (MirrorTrouble, BadInput):
            continue
        try:
            is_same = known.identity() == identity
        finally:
            known.close()
        if is_same:
            raise BadInput(
                f"mirror {other.name} ({other.url}) is this very database already; name another one, or "
                f"remove that first: maos-sup mirror rm {other.name}"
            )


def refuse_other_history(tree: Tree, mirror: Mirror) -> None:
    """Raise BadInput where `mirror` holds lines of the orchestration that this tree never had.

    So it is with two copies of one tree that went on apart: each needs a mirror of its own.
    """
    for path, position in mirror.look().lines.items():
        source = source_of(path)
        if source is None or source.what != "journal" or not position.offset:
            continue
        if not Reader(tree.root / path, position).stands():
            raise BadInput(
                f"the mirror holds another history of {id_of(tree)}: {path} differs by seq {position.seq}; "
                "name another database, or remove what it holds (mirror rm --forget, where that tree lies)"
            )
