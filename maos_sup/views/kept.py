"""Says what is kept in a scope, and every version of it: shared scopes and those of one agent, told alike.

Only reads. A version of a shared scope is a line of its writer's file, one of an agent's own state is a line
of that agent's journal; both are named `[writer, seq, h]`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from maos_sup.cuts.places import lines_up_to, lines_with_attempts
from maos_sup.cuts.record import TeamCut
from maos_sup.cuts.shared import values_at
from maos_sup.cuts.take import agents_of
from state_layout.errors import BadInput
from state_layout.files.chain import Line
from state_layout.paths import Tree
from state_layout.scopes.names import AGENT, GLOBAL, TASK, Scope, is_of_agent, owned_prefix, shared_folder
from state_layout.scopes.schemas import schema_of
from state_layout.scopes.store import ScopeStore
from state_layout.scopes.telling import ShownVersion, shown_entry, versions_of
from state_layout.specs import read_specs

Versions = list[ShownVersion]
_VIEWER = "~viewer"  # writes nothing


def values_of(tree: Tree, scope: Scope, prefix: str = "", *, cut: TeamCut | None = None) -> Versions:
    """List the values in force of the keys that begin with `prefix`, now or at `cut`, sorted by key.

    One that its schema cannot bring to its version is as it was written, with the reason as `fault`.
    Raises BadInput, Damaged, StorageError.
    """
    if not scope.is_shared:
        last = {told["key"]: told for told in _owned(tree, scope, cut)}
        return [last[key] for key in sorted(last) if "deleted" not in last[key] and key.startswith(prefix)]
    if cut is not None:
        return _shared_at(tree, scope, prefix, cut)
    with closing(ScopeStore(_folder(tree, scope), _VIEWER)) as store:
        return [_migrated(tree, scope, shown_entry(entry)) for _, entry in store.entries(prefix)]


def value_of(tree: Tree, scope: Scope, key: str, *, cut: TeamCut | None = None) -> ShownVersion | None:
    """Find the value in force of `key`, now or at `cut`; None if it has none. Raises as `values_of` does."""
    if scope.is_shared and cut is None:
        with closing(ScopeStore(_folder(tree, scope), _VIEWER)) as store:
            entry = store.get(key)
            told = None if entry is None else _migrated(tree, scope, shown_entry(entry))
        if told is not None and "fault" in told:
            raise BadInput(told["fault"])
        return told
    return next((told for told in values_of(tree, scope, key, cut=cut) if told["key"] == key), None)


def history_of(tree: Tree, scope: Scope, key: str | None = None) -> Versions:
    """List every version of `key`, or of all keys, the oldest first. Raises as `values_of` does."""
    if scope.is_shared:
        return versions_of(_folder(tree, scope), key)
    return [told for told in _owned(tree, scope, None) if key is None or told["key"] == key]


def _migrated(tree: Tree, scope: Scope, told: ShownVersion) -> ShownVersion:
    """`told` with its value as one of the schema's version, or as it is and with the `fault` of it."""
    schema = schema_of(tree, scope)
    if schema is None:
        return told
    try:
        return {**told, "value": schema.migrated(told["key"], told["value"], int(told.get("v", 1)))}
    except BadInput as fault:  # one bad value does not hide the others
        return {**told, "fault": str(fault)}


def _folder(tree: Tree, scope: Scope) -> Path:
    return shared_folder(tree, scope)


def _shared_at(tree: Tree, scope: Scope, prefix: str, cut: TeamCut) -> Versions:
    if scope.sort == GLOBAL:
        raise BadInput("scope 'global': is of no orchestration, so no checkpoint has it; leave out --at")
    if cut.state is None:
        raise BadInput(f"checkpoint {cut.label}: was made by an older version, which knew no shared state")
    found = values_at(tree, scope, cut.state.get(str(scope), {}))
    return [shown_entry(found[key]) for key in sorted(found) if key.startswith(prefix)]


# -- what belongs to one agent


def _owned(tree: Tree, scope: Scope, cut: TeamCut | None) -> Versions:
    """Every version of every key of an owned scope, in the order in which they were written."""
    agent = _owner(tree, scope)
    lines = lines_with_attempts(tree, agent)
    if cut is not None:
        lines = lines_up_to(tree, agent, cut.agents[agent].place) if agent in cut.agents else iter(())
    last = dict[str, list[Any]]()
    found = list[tuple[str, ShownVersion]]()
    for name, told in _changes(agent, lines):
        told["over"], last[name] = last.get(name), told["version"]
        found.append((name, told))
    prefix = _prefix_in(scope, [name for name, _ in found])
    if prefix is None:
        return [told for name, told in found if is_of_agent(name)]
    return [told | {"key": name.removeprefix(prefix)} for name, told in found if name.startswith(prefix)]


def _owner(tree: Tree, scope: Scope) -> str:
    specs = read_specs(tree).specs
    if not scope.owner:
        raise BadInput(f"scope {scope.sort!r}: say whose, like {scope.sort}:NAME")
    if scope.sort == AGENT:
        agents = agents_of(tree, specs)
        if scope.owner not in agents:
            raise BadInput(f"agent {scope.owner!r} is not there; there is: {', '.join(agents) or 'none'}")
        return scope.owner
    task = specs.tasks.get(scope.owner)
    if task is None:
        raise BadInput(f"task {scope.owner!r} is not there; there is: {', '.join(specs.tasks) or 'none'}")
    return task.agent


def _prefix_in(scope: Scope, names: list[str]) -> str | None:
    """Find how names of the scope's keys begin; of a task, its last run's. None: the agent's own."""
    if scope.sort == AGENT:
        return None
    if scope.sort != TASK:
        return owned_prefix(scope, 0)
    begin = owned_prefix(scope, 0).partition("#")[0] + "#"
    runs = [int(name[len(begin) :].partition("\0")[0]) for name in names if name.startswith(begin)]
    return owned_prefix(scope, max(runs, default=1))


def _changes(agent: str, lines: Iterator[tuple[int, Line]]) -> Iterator[tuple[str, ShownVersion]]:
    for attempt, line in lines:
        if b'"state":{' not in line.raw:
            continue
        entry = line.fields()
        effect = entry.get("state")
        if not isinstance(effect, dict):
            continue
        common: ShownVersion = {
            "version": [agent, line.seq, line.end.h],
            "n": line.seq,
            "at": entry["at"],
            "by": agent,
            "why": _reason(entry, attempt),
        }
        for name in effect.get("deleted", ()):
            yield name, {"key": name, "deleted": True, **common}
        for name, value in effect.get("set", {}).items():
            yield name, {"key": name, "value": value, **common}


def _reason(entry: Mapping[str, object], attempt: int) -> dict[str, object]:
    step = entry.get("key") or entry.get("id")
    told = {name: entry[name] for name in ("task", "run") if name in entry}
    return told | ({"step": step} if step else {}) | {"attempt": attempt}
