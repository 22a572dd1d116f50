"""Brings the values of a shared scope to the version of its schema, all of them or none; and back again."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from maos_sup.steering.keeping import people_store, refresh
from state_layout.errors import BadInput
from state_layout.files import atomic, codec
from state_layout.files.reading import read_record
from state_layout.paths import Tree
from state_layout.scopes.lines import ScopeEntry
from state_layout.scopes.names import Scope, schema_path
from state_layout.scopes.schemas import Schema, schema_of
from state_layout.scopes.telling import versions_of

BY = "migrate"
EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """A migration is what is done, or would be: `changes` by key, before and after."""

    version: int
    values: int
    changes: dict[str, tuple[Any, Any]]

    def lines(self, *, is_done: bool) -> list[str]:
        """List for people a count, and a few examples."""
        done = "are" if is_done else "would be"
        head = f"{len(self.changes)} of {self.values} values {done} of version {self.version}"
        some = list(self.changes.items())[:EXAMPLES]
        shown = [f"  {key}: {_text(before)} -> {_text(after)}" for key, (before, after) in some]
        return [head, *shown]


def migrate(tree: Tree, scope: Scope, *, to: int | None = None, is_dry: bool = False) -> Migration:
    """Write each older value anew, of version `to` (the schema's, by default), durably; or only look.

    Raises BadInput where one value cannot be: then nothing is changed.
    """
    schema = _schema(tree, scope)
    if to is not None:
        if not 1 <= to <= schema.version:
            raise BadInput(f"--to {to}: {schema.shown} has versions 1 to {schema.version}")
        schema = replace(schema, version=to, shape=schema.shape if to == schema.version else {})
    with closing(people_store(tree, scope)) as store, store.locked():
        entries = [(key, entry) for key, entry in store.entries() if schema.meets(key)]
        changes = {key: pair for key, entry in entries if (pair := _pair(schema, key, entry)) is not None}
        if not is_dry:
            why = {"by": BY, "v": schema.version}
            store.put_all({key: after for key, (_, after) in changes.items()}, why=why)
            refresh(tree, scope, store)
    return Migration(version=schema.version, values=len(entries), changes=changes)


def migrate_back(tree: Tree, scope: Scope, *, to: int, is_dry: bool = False) -> Migration:
    """Put again what `migrate` wrote over, where nobody changed it since; the schema then says `to`.

    Raises BadInput for a value that was changed since and is of a newer version: then nothing is changed.
    """
    schema = _schema(tree, scope)
    with closing(people_store(tree, scope)) as store, store.locked():
        known = {tuple(told["version"]): told for told in versions_of(store.folder)}
        changes, olds = dict[str, tuple[Any, Any]](), dict[int, dict[str, object]]()
        entries = [(key, entry) for key, entry in store.entries() if schema.meets(key)]
        for key, entry in entries:
            fields, version = entry.fields(), _version(entry)
            over, value = fields.get("over"), fields.get("value")
            by: object = fields.get("by")
            while version > to and by == BY and over:
                before = known[tuple(over)]
                over, by, value = before["over"], before["why"].get("by"), before.get("value")
                version = int(before.get("v", 1))
            if version > to:
                raise BadInput(f"{key!r}: was changed as version {version}; put it yourself, or leave it out")
            if version != _version(entry):
                changes[key] = (entry.value, value)
                olds.setdefault(version, {})[key] = value
        if not is_dry:
            for version, values in olds.items():
                store.put_all(values, why={"by": BY, "v": version})
            _say_version(schema_path(tree, scope), to)
            refresh(tree, scope, store)
    return Migration(version=to, values=len(entries), changes=changes)


def _say_version(path: Path, version: int) -> None:
    """Make a schema say `version`. Raises BadInput if somebody edits it just now."""
    data = read_record(path)
    told = {**codec.decode_object(data), "version": version}
    if not atomic.replace_if(path, codec.encode_pretty(told), lambda: read_record(path) == data):
        raise BadInput(f"{path}: is edited just now; see that it says version {version}")


def _schema(tree: Tree, scope: Scope) -> Schema:
    schema = schema_of(tree, scope)
    if schema is None:
        where = tree.shown(schema_path(tree, scope)) if scope.is_shared else "a shared scope"
        raise BadInput(f"scope {str(scope)!r}: has no schema; write {where}")
    return schema


def _pair(schema: Schema, key: str, entry: ScopeEntry) -> tuple[Any, Any] | None:
    """Pair a value with what becomes of it; None if it is of the version already."""
    before, version = entry.value, _version(entry)
    if version == schema.version:
        return None
    return before, schema.migrated(key, before, version)


def _version(entry: ScopeEntry) -> int:
    return int(entry.fields().get("v", 1))


def _text(value: Any) -> str:
    text = codec.encode(value).decode()
    return text if len(text) <= 100 else f"{text[:100]}..."
