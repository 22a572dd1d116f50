"""Keeps an agent's values under keys, in any scope: says who may, where it goes, what is recorded.

A scope of the agent's own is a part of its memory: an effect in the line of its journal that makes it. A
shared one is written at once, durably, under a lock; the journal then says so. If the agent dies in between,
the same change is asked for again under the same token and is found done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from maos_sup.agents.secrets.redaction import STAND_IN, Redactor
from maos_sup.system.hooking import ask_before
from state_layout.errors import BadInput, Lost
from state_layout.files.fence import refuse_links
from state_layout.lives.attempts import recall
from state_layout.paths import Tree
from state_layout.records import AgentSpec
from state_layout.scopes.hooks import BEFORE_DELETE, BEFORE_SAVE, Hook, meeting
from state_layout.scopes.lines import ScopeEntry, Version, version_of
from state_layout.scopes.names import (
    AGENT,
    GLOBAL,
    SESSION,
    TASK,
    Scope,
    checked_key,
    is_of_agent,
    owned_key,
    owned_prefix,
    scope_of,
    shared_folder,
)
from state_layout.scopes.schemas import schema_of
from state_layout.scopes.store import ANY_VERSION, Expected, ScopeStore, Written
from state_layout.scopes.values import checked_value
from state_layout.specs import read_specs

Effects = dict[str, Any]


class Refused(BadInput):
    """The agent's spec does not grant what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """The asker says for which work a value is kept: in the line, and as the name of the change if asked
    again."""

    task: str
    run: int
    step: str
    token: str

    @property
    def why(self) -> dict[str, object]:
        return {"task": self.task, "run": self.run, "step": self.step}


@dataclass(slots=True, kw_only=True)
class KeptValue:
    """A kept value is what a call came to. `effects` belong in the journal line that says so; `lost`: it
    came too late."""

    value: Any = None
    version: Version | None = None
    effects: Effects = field(default_factory=dict)
    is_redacted: bool = False
    lost: str | None = None


class ScopeChanges(Protocol):
    """Changes of the agent's own state that are not recorded yet."""

    kept: dict[str, object]
    deleted: list[str]


class Shared:
    """The object holds all scopes as one life of `agent` sees them. Used by one thread at a time, or each
    store's lock."""

    def __init__(
        self,
        tree: Tree,
        agent: str,
        *,
        redactor: Redactor,
        spec: Callable[[], AgentSpec | None],
        own: Callable[[], Mapping[str, Any]],
        settle: Callable[[], int],
        hooks: Callable[[], Iterable[dict[str, object]]] = tuple,
    ) -> None:
        """`own` gives a copy of the agent's own state; `settle` makes its journal durable: the last `seq`."""
        self._tree, self._agent, self._redactor = tree, agent, redactor
        self._spec, self._own, self._settle = spec, own, settle
        self._hooks = hooks
        self._stores: dict[Scope, ScopeStore] = {}
        self._under_way: ScopeChanges | None = None

    def scope(self, text: str | None, task: str) -> Scope:
        """Find the scope that `text` names to this agent at work on `task`; by default its own. BadInput."""
        scope = scope_of(text or AGENT)
        if scope.sort == AGENT:
            return Scope(AGENT, scope.owner or self._agent)
        if scope.sort in (TASK, SESSION):
            return Scope(scope.sort, scope.owner or task)
        return scope

    def do(
        self, what: str, scope: Scope, key: str, asker: Asker, *, own: ScopeChanges | None = None, **told: Any
    ) -> KeptValue | None:
        """Do `load`, `keys`, `save` or `forget`; `own` are changes of the agent's own that are under way."""
        self._under_way = own
        try:
            match what:
                case "load":
                    return self.load(scope, key, asker)
                case "keys":
                    return self.keys(scope, key, asker)
                case "save":
                    return self.save(scope, key, told["value"], asker, over=told.get("over", ANY_VERSION))
                case _:
                    return self.forget(scope, key, asker, over=told.get("over", ANY_VERSION))
        finally:
            self._under_way = None

    def take_line(self, verb: str, told: Mapping[str, Any], *, run: str, step: str) -> Effects:
        """Carry out a control line (`save`, `forget`) of the run "<task>#<run>"; what its record says.

        Raises BadInput, also where it came too late, Locked, Damaged, StorageError.
        """
        task, _, number = run.rpartition("#")
        asker = Asker(task=task, run=int(number or 1), step=step, token=step)
        scope = self.scope(told.get("scope"), task)
        over = told.get("if_version", ANY_VERSION)
        if verb == "save":
            kept = self.save(scope, told["key"], told["value"], asker, over=over)
        else:
            kept = self.forget(scope, told["key"], asker, over=over) or KeptValue()
        if kept.lost is not None:
            raise BadInput(kept.lost)
        return {"scope": str(scope), "key": told["key"], **kept.effects}

    # -- reading

    def load(self, scope: Scope, key: str, asker: Asker) -> KeptValue | None:
        """Load the value of `key`; None if it has none. Raises Refused, BadInput, Damaged, StorageError."""
        self._check_read(scope, asker)
        key = checked_key(key)
        if not scope.is_shared:
            values = self._owned(scope, asker)
            return KeptValue(value=values[key]) if key in values else None
        entry = self._store(scope).get(key)
        if entry is None:
            return None
        value, schema = entry.value, schema_of(self._tree, scope)
        if schema is not None:
            value = schema.migrated(key, value, int(entry.fields().get("v", 1)))
        return KeptValue(value=value, version=entry.version, effects=self._seen(scope, [entry]))

    def keys(self, scope: Scope, prefix: str, asker: Asker) -> KeptValue:
        """List the keys that begin with `prefix`, sorted. Raises as `load` does."""
        self._check_read(scope, asker)
        if not scope.is_shared:
            return KeptValue(value=sorted(key for key in self._owned(scope, asker) if key.startswith(prefix)))
        found = self._store(scope).entries(prefix)
        effects = self._seen(scope, [entry for _, entry in found])
        return KeptValue(value=[key for key, _ in found], effects=effects)

    def was_done(self, scope: Scope, asker: Asker) -> bool:
        """An earlier life made this change of a shared scope. Raises Damaged, StorageError."""
        return self._store(scope).was_done(asker.token)

    # -- writing

    def save(self, scope: Scope, key: str, value: Any, asker: Asker, *, over: Any = ANY_VERSION) -> KeptValue:
        """Keep `value` under `key`. `over`: the version that it is to take the place of.

        Raises Refused, BadInput, Locked, Damaged, StorageError.
        """
        self._check_write(scope, asker)
        checked_value(value)
        clean, name = self._redactor.value(value), self._redactor.text(checked_key(key))
        is_redacted = clean != value or name != key
        if not scope.is_shared:
            own = {owned_key(scope, asker.run, name): clean}
            return self._owned_change({"set": own}, over, is_redacted=is_redacted)
        return self._hooked(
            BEFORE_SAVE, scope, name, clean, asker=asker, over=over,
            change=lambda put, at: self._put(scope, name, put, asker, over=at, is_redacted=is_redacted),
        )  # fmt: skip

    def _put(
        self, scope: Scope, name: str, clean: Any, asker: Asker, over: Any, *, is_redacted: bool
    ) -> KeptValue:
        schema = schema_of(self._tree, scope)
        version: Effects = {}
        if schema is not None and schema.meets(name):
            schema.check(name, clean)
            version = {"v": schema.version}
        return self._changed(scope, asker, over, lambda store, expected, why: store.put(
            name, clean, over=expected, token=asker.token, why=why | version
        ), is_redacted=is_redacted)  # fmt: skip

    def forget(self, scope: Scope, key: str, asker: Asker, *, over: Any = ANY_VERSION) -> KeptValue | None:
        """Leave `key` without a value; None if it has none. Raises as `save` does."""
        self._check_write(scope, asker)
        key = checked_key(key)
        if not scope.is_shared:
            if key not in self._owned(scope, asker):
                return None
            return self._owned_change({"set": {}, "deleted": [owned_key(scope, asker.run, key)]}, over)
        if self._store(scope).get(key) is None and over is ANY_VERSION:
            return None
        return self._hooked(
            BEFORE_DELETE, scope, key, None, asker=asker, over=over,
            change=lambda _, at: self._changed(scope, asker, at, lambda store, expected, why: store.delete(
                key, over=expected, token=asker.token, why=why
            )),
        )  # fmt: skip

    def close(self) -> None:
        """Close the files."""
        for store in self._stores.values():
            store.close()
        self._stores.clear()

    # -- how it is done

    def _hooked(
        self,
        on: str,
        scope: Scope,
        key: str,
        value: Any,
        *,
        asker: Asker,
        over: Any,
        change: Callable[[Any, Any], KeptValue],
    ) -> KeptValue:
        """Make `change` with what hooks leave of `value`, over what they looked at. Raises BadInput.

        They are not asked about what comes too late, or was done by an earlier life.
        """
        hooks = meeting(map(Hook.of, self._hooks()), on, str(scope), key)
        while hooks:
            expected: Expected = ANY_VERSION if over is ANY_VERSION else version_of(over)
            try:
                is_done, before = self._store(scope).foreseen(key, over=expected, token=asker.token)
            except Lost as lost:
                return KeptValue(lost=str(lost))
            if is_done:
                break
            told = {"on": on, "scope": str(scope), "key": key, "value": value, "by": self._agent}
            told |= {"before": before and before.value, "task": asker.task, "run": asker.run}
            answer = ask_before(self._tree, hooks, told)["value"]
            checked_value(answer)
            kept = change(self._redactor.value(answer), before and before.version)
            if kept.lost is None or over is not ANY_VERSION:
                return kept
        return change(value, over)

    def _changed(
        self,
        scope: Scope,
        asker: Asker,
        over: Any,
        change: Callable[[ScopeStore, Expected, Effects], Written | None],
        *,
        is_redacted: bool = False,
    ) -> KeptValue:
        expected: Expected = ANY_VERSION if over is ANY_VERSION else version_of(over)
        store = self._store(scope)
        try:
            why = asker.why if scope.sort == GLOBAL else {**asker.why, "after": self._settle()}
            written = change(store, expected, why)
        except Lost as lost:
            return KeptValue(lost=str(lost), is_redacted=is_redacted)
        if written is None:
            return KeptValue()
        effects: Effects = {}
        if scope.sort != GLOBAL:
            effects = {"stored": {str(scope): written.version.seq}}
            if written.before is not None:
                effects |= self._seen(scope, [written.before])
        return KeptValue(version=written.version, effects=effects, is_redacted=is_redacted)

    def _owned_change(self, change: Effects, over: Any, *, is_redacted: bool = False) -> KeptValue:
        if over is not ANY_VERSION:
            raise BadInput("a version is of shared scopes only: nobody else writes what is your own")
        return KeptValue(effects={"state": change}, is_redacted=is_redacted)

    def _owned(self, scope: Scope, asker: Asker) -> dict[str, object]:
        """Collect what is kept in an owned scope, by key."""
        owner = self._owner(scope, asker)
        state = dict(self._own()) if owner == self._agent else dict(recall(self._tree, owner).history.state)
        if owner == self._agent and self._under_way is not None:
            for key in self._under_way.deleted:
                state.pop(key, None)
            state |= self._under_way.kept
        if scope.sort == AGENT:
            return {key: value for key, value in state.items() if is_of_agent(key)}
        prefix = owned_prefix(scope, asker.run if scope.owner == asker.task else self._run_of(scope.owner))
        return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}

    def _owner(self, scope: Scope, asker: Asker) -> str:
        """Find the agent to whom an owned scope belongs. Raises BadInput for a task that is not there."""
        if scope.sort == AGENT:
            return scope.owner
        if scope.owner == asker.task:
            return self._agent
        task = read_specs(self._tree).specs.tasks.get(scope.owner)
        if task is None:
            raise BadInput(f"scope {str(scope)!r}: there is no task {scope.owner!r}")
        return task.agent

    def _run_of(self, task: str) -> int:
        return read_specs(self._tree).specs.tasks[task].run

    def _check_read(self, scope: Scope, asker: Asker) -> None:
        if not (scope.is_shared or self._is_own(scope, asker) or self._is_granted("read", scope)):
            raise Refused(self._refusal("read", scope))

    def _check_write(self, scope: Scope, asker: Asker) -> None:
        if self._is_own(scope, asker):
            return
        if not scope.is_shared:
            raise Refused(f"{scope} belongs to another agent, who alone writes it; send a message instead")
        if not self._is_granted("write", scope):
            raise Refused(self._refusal("write", scope))

    def _is_own(self, scope: Scope, asker: Asker) -> bool:
        return not scope.is_shared and self._owner(scope, asker) == self._agent

    def _is_granted(self, what: str, scope: Scope) -> bool:
        spec = self._spec()
        granted = (spec.state.get(what) or ()) if spec is not None else ()
        text = str(scope)
        return any(
            text == grant or (grant.endswith("*") and text.startswith(grant[:-1])) for grant in granted
        )

    def _refusal(self, what: str, scope: Scope) -> str:
        return (
            f"agent {self._agent} may not {what} {scope}: 'state.{what}' of its settings does not name it "
            f"(maos-sup set agents/{self._agent}.state.{what} '[\"{scope}\"]')"
        )

    def _seen(self, scope: Scope, entries: list[ScopeEntry]) -> Effects:
        """Make what the journal says of lines of others that were looked at: a moment has both or neither."""
        if scope.sort == GLOBAL:
            return {}
        seen = dict[str, int]()
        for entry in entries:
            if entry.writer != self._agent:
                key = f"{scope}/{entry.writer}"
                seen[key] = max(entry.line.end.seq, seen.get(key, 0))
        return {"seen": seen} if seen else {}

    def _store(self, scope: Scope) -> ScopeStore:
        store = self._stores.get(scope)
        if store is None:
            folder = shared_folder(self._tree, scope)
            if scope.sort != GLOBAL:
                refuse_links(self._tree.root, folder)
            store = self._stores[scope] = ScopeStore(folder, self._writer(scope))
        return store

    def _writer(self, scope: Scope) -> str:
        """In the home agents of one name are many."""
        return f"{self._tree.root.name}.{self._agent}" if scope.sort == GLOBAL else self._agent


REDACTED = f"secrets in it were replaced by {STAND_IN}"
