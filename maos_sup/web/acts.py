"""Says what a page may ask for: the acts of the steering room, and two on checkpoints that need more."""

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
from maos_sup.steering.resting import brought_to_rest
from maos_sup.supervisor.rewinding import finish_rewinding, last_rewinding, memory_at
from maos_sup.supervisor.rolling_back import rolled_back
from maos_sup.system.followers import start_followers
from state_layout.errors import BadInput, Locked
from state_layout.files.locks import alone_in
from state_layout.host.home import home
from state_layout.paths import Tree
from state_layout.specs import read_specs
from state_layout.tree.names import new_id

BY = "ui"
_LONGEST_NAME = 64


def acted(tree: Tree, name: str, fields: Mapping[str, Any]) -> str:
    """Do what a page asks for; what was changed, in words. Raises LayoutError."""
    if name in _OWN:
        return _OWN[name](tree, fields)
    return act(tree, name, fields, by=BY, kinds=kind_shapes())


def names() -> list[str]:
    """List the names of all acts."""
    return [*acts, *_OWN]


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


def _rollback(tree: Tree, fields: Mapping[str, Any]) -> str:
    """Take the whole team back to a checkpoint; what it was is another one, and nobody works any more."""
    check_fields("rollback", fields, takes=frozenset({"checkpoint"}), needed=frozenset({"checkpoint"}))
    cut = store.find(tree, str(fields["checkpoint"]))
    note(tree, "rollback", fields, by=BY)
    finish_rewinding(tree)
    known = last_rewinding(tree)
    with alone_in(tree.checkpoints, busy=f"{tree.root}: another rollback is under way; look again then"):
        if last_rewinding(tree) != known:
            raise Locked(f"{tree.root}: another rollback came first; look where the team stands now")
        with brought_to_rest(tree):
            done = rolled_back(tree, cut.number, by=BY)
    start_followers(tree)
    return (
        f"went to checkpoint {cut.label}; what was before is checkpoint {done.plan.back}. Start goes on there"
    )


_OWN = {"checkpoint": _checkpoint, "fork": _fork, "rollback": _rollback}
