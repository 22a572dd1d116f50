"""What a page may ask for: the acts of the steering room, and two on checkpoints that need more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any

from maos_sup.agents.registry import kind_shapes
from maos_sup.cuts import store
from maos_sup.cuts.forking import fork
from maos_sup.cuts.take import take_cut
from maos_sup.steering.acting import act, acts, check_fields, note
from maos_sup.supervisor.rewinding import memory_at
from state_layout.errors import BadInput
from state_layout.host.home import home
from state_layout.paths import Tree
from state_layout.specs import read_specs
from state_layout.tree.names import new_id

BY = "ui"
_LONGEST_NAME = 64


def acted(tree: Tree, name: str, fields: Mapping[str, Any]) -> str:
    """Do what a page asks for; what was changed, in words. Raises LayoutError."""
    if name == "checkpoint":
        return _checkpoint(tree, fields)
    if name == "fork":
        return _fork(tree, fields)
    return act(tree, name, fields, by=BY, kinds=kind_shapes())


def names() -> list[str]:
    """All acts."""
    return [*acts, "checkpoint", "fork"]


def _checkpoint(tree: Tree, fields: Mapping[str, Any]) -> str:
    check_fields("checkpoint", fields, takes=frozenset({"name"}), needed=frozenset())
    name = str(fields["name"]) if fields.get("name") else None
    if name is not None and (
        name in store.NEWEST
        or name.isdigit()
        or len(name) > _LONGEST_NAME
        or not name.isprintable()
        or not name.strip()
    ):
        raise BadInput(
            f"'name' is {name[:80]!r}; use 1 to {_LONGEST_NAME} printable characters, not only digits"
        )
    note(tree, "checkpoint", fields, by=BY)
    return f"checkpoint {take_cut(tree, by=BY, why=name or 'asked for', name=name, pinned=False).label}"


def _fork(tree: Tree, fields: Mapping[str, Any]) -> str:
    check_fields("fork", fields, takes=frozenset({"checkpoint"}), needed=frozenset())
    note(tree, "fork", fields, by=BY)
    named = fields.get("checkpoint")
    cut = store.find(tree, str(named)) if named is not None else take_cut(tree, by=BY, why="for a fork")
    root = home() / new_id(read_specs(tree).specs.orchestration.request, datetime.now(UTC), Random())
    memory = memory_at(tree, cut.supervisor)
    made = fork(tree, cut, root, id_=root.name, change=partial(dict), memory=dict(memory or {}) or None)
    return (
        f"{made.root.name} begins at checkpoint {cut.label}; it waits for: maos-sup resume {made.root.name}"
    )
