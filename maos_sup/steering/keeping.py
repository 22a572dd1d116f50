"""A person's changes of shared state: put, delete, bring an older value back. Durable on return."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

from maos_sup.steering.change import Change
from maos_sup.steering.wanting import prompt
from maos_sup.system.hooking import ask_before
from state_layout.errors import BadInput, LayoutError, Lost
from state_layout.files.fence import refuse_links
from state_layout.paths import Tree
from state_layout.scopes.hooks import BEFORE_DELETE, BEFORE_SAVE, Hook, meeting
from state_layout.scopes.lines import Version, shown_value
from state_layout.scopes.names import GLOBAL, Scope, shared_folder
from state_layout.scopes.people import edits_in, refresh_snapshot, take_edit
from state_layout.scopes.schemas import schema_of
from state_layout.scopes.store import ANY_VERSION, Expected, ScopeStore, Written
from state_layout.scopes.values import checked_value
from state_layout.specs import read_specs

if TYPE_CHECKING:
    from state_layout.scopes.telling import ShownVersion


OPERATOR = "operator"
Outcome = TypeVar("Outcome")


def people_store(tree: Tree, scope: Scope, *, writer: str = OPERATOR) -> ScopeStore:
    """Open the shared scope as people write it. Raises BadInput for one that belongs to an agent."""
    if not scope.is_shared:
        raise BadInput(
            f"scope {str(scope)!r}: belongs to its agent, who alone writes it; send it a message "
            "(maos-sup send), or use a shared scope: orchestration, custom:NAME, global"
        )
    folder = shared_folder(tree, scope)
    if scope.sort != GLOBAL:
        refuse_links(tree.root, folder)
    return ScopeStore(folder, writer)


def put(
    tree: Tree,
    scope: Scope,
    key: str,
    value: Any,
    *,
    over: Expected = ANY_VERSION,
    why: dict[str, object] | None = None,
) -> Change:
    """Keep `value` under `key`. Raises Lost if its version is not `over`, BadInput, Locked, StorageError."""
    with closing(people_store(tree, scope)) as store:
        take_edits(tree, scope, store)
        checked_value(value)
        written = hooked(
            tree, scope, key, value, store, on=BEFORE_SAVE, over=over,
            change=lambda value, over: _put(tree, scope, key, value, store, over=over, why=why),
        )  # fmt: skip
        refresh(tree, scope, store)
        before = None if written.before is None else written.before.value
    prompt(tree)
    value = written.entry.value
    text = f"{scope} {key!r} is {shown_value(value)} (version {written.version})"
    return Change(
        subject=f"{scope} {key}", text=text, before=before, after={"value": value, "version": written.version}
    )


def delete(tree: Tree, scope: Scope, key: str, *, over: Expected = ANY_VERSION) -> Change:
    """Leave `key` without a value; its versions stay in the history. Raises as `put` does."""
    with closing(people_store(tree, scope)) as store:
        take_edits(tree, scope, store)
        written = hooked(
            tree, scope, key, None, store, on=BEFORE_DELETE, over=over,
            change=lambda _, over: store.delete(key, over=over),
        )  # fmt: skip
        if written is None:
            raise BadInput(f"{scope} {key!r}: has no value")
        refresh(tree, scope, store)
    prompt(tree)
    text = f"{scope} {key!r} has no value any more; its versions stay: maos-sup state history"
    return Change(subject=f"{scope} {key}", text=text, after={"version": written.version})


def restore(tree: Tree, scope: Scope, key: str, version: Version, versions: list[ShownVersion]) -> Change:
    """Put the value of an older `version` again. Raises BadInput where there is none such."""
    for told in versions:
        if told["version"] == list(version):
            if told.get("deleted"):
                return delete(tree, scope, key)
            return put(tree, scope, key, told["value"], why={"by": "restore", "step": str(version)})
    raise BadInput(f"{scope} {key!r}: has no version {version}; see: maos-sup state history")


def hooked(
    tree: Tree,
    scope: Scope,
    key: str,
    value: Any,
    store: ScopeStore,
    *,
    on: str,
    over: Expected = ANY_VERSION,
    change: Callable[[Any, Expected], Outcome],
) -> Outcome:
    """Make `change` with what hooks leave of `value`, over what they looked at. Raises BadInput, Lost.

    They are not asked about what comes too late; of what does not compare they are asked again.
    """
    hooks = meeting(map(Hook.of, read_specs(tree).specs.orchestration.hooks), on, str(scope), key)
    while hooks:
        _, before = store.foreseen(key, over=over)
        told = {"on": on, "scope": str(scope), "key": key, "value": value, "by": OPERATOR}
        answer = ask_before(tree, hooks, told | {"before": before and before.value})["value"]
        try:
            return change(answer, before and before.version)
        except Lost:
            if over is not ANY_VERSION:
                raise
    return change(value, over)


def _put(
    tree: Tree,
    scope: Scope,
    key: str,
    value: Any,
    store: ScopeStore,
    *,
    over: Expected,
    why: dict[str, object] | None,
) -> Written:
    schema = schema_of(tree, scope)
    if schema is not None and schema.meets(key):
        schema.check(key, value)
        why = {**(why or {}), "v": schema.version}
    return store.put(key, value, over=over, why=why)


def take_edits(tree: Tree, scope: Scope, store: ScopeStore) -> list[str]:
    """Put in force what people wrote in `spec/state/` for `scope`; what cannot be."""
    faults = list[str]()
    for edit in edits_in(tree) if scope.sort != GLOBAL else ():
        if edit.scope == scope and edit.fault is None:
            try:
                take_edit(tree, store, edit)
            except BadInput as fault:
                faults.append(f"{tree.shown(edit.path)}: {fault}")
    return faults


def refresh(tree: Tree, scope: Scope, store: ScopeStore) -> None:
    """Make the readable snapshot anew; a failure is no failure of what was kept."""
    if scope.sort != GLOBAL:
        try:
            refresh_snapshot(tree, scope, store)
        except LayoutError:
            return
