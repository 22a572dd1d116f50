"""Shared state for people: a snapshot that `jq` reads, and files that they write by hand.

`state/<scope>.json` is made anew from the lines of the writers, never read by anything of ours. What lies in
`spec/state/<scope>/<key>.json` is put under its key once for each content of the file: whoever changes the
value later does not fight with the file, and whoever edits the file again wins again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from state_layout.errors import BadInput, Lost, StorageError
from state_layout.files import atomic, codec
from state_layout.files.looking import is_dir, is_link
from state_layout.files.reading import Unreadable, read_regular
from state_layout.paths import Tree, is_name
from state_layout.scopes.lines import ScopeEntry
from state_layout.scopes.names import CUSTOM, ORCHESTRATION, Scope, key_of_file
from state_layout.scopes.schemas import schema_of
from state_layout.scopes.store import ScopeStore
from state_layout.scopes.values import LARGEST_VALUE_BYTES, value_of_json
from state_layout.shapes.places import repeat_in

BY_HAND = "hand"
_LARGEST_FILE_BYTES = 4 * LARGEST_VALUE_BYTES


def refresh_snapshot(tree: Tree, scope: Scope, store: ScopeStore) -> None:
    """Make `state/<scope>.json` anew: values by key; atomic, not durable. Raises Damaged, StorageError."""
    values = {key: entry.value for key, entry in store.entries()}
    path = tree.state_snapshot(scope.sort, scope.owner)
    atomic.make_folder(path.parent)
    atomic.refresh(path, codec.encode_pretty(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class HandEdit:
    """A hand edit is what a person wrote for a key; `fault` says where it cannot be used."""

    scope: Scope
    key: str
    path: Path
    digest: str = ""
    value: object = None
    fault: str | None = None


def edits_in(tree: Tree) -> Iterator[HandEdit]:
    """Yield an edit for every file in `spec/state/`. Only reads; files that vanish meanwhile are left out."""
    for scope, folder in _spec_folders(tree):
        seen = dict[str, str]()
        for path in sorted(folder.glob("*.json")):
            key = key_of_file(path.name)
            if key is None:
                yield HandEdit(scope=scope, key="", path=path, fault="is no name of a key; see FORMAT.md")
            elif key in seen:
                fault = f"is of the key {key!r}, as {seen[key]} is; remove one of them"
                yield HandEdit(scope=scope, key=key, path=path, fault=fault)
            else:
                seen[key] = path.name
                edit = _edit(scope, key, path)
                if edit is not None:
                    yield edit


def files_by_hand(tree: Tree) -> dict[str, bytes]:
    """Read the bytes of every file in `spec/state/` that can be read, by path in `spec/`."""
    found = dict[str, bytes]()
    for _, folder in _spec_folders(tree):
        for path in sorted(folder.glob("*.json")):
            with suppress(OSError, Unreadable, StorageError):
                found[str(path.relative_to(tree.spec))] = read_regular(path, most_bytes=_LARGEST_FILE_BYTES)[
                    0
                ]
    return found


def take_edit(tree: Tree, store: ScopeStore, edit: HandEdit) -> ScopeEntry | None:
    """Put what `edit` says, durably, unless this content was put before; the new version, if any.

    Raises BadInput for a value that cannot be kept, Locked, Damaged, StorageError.
    """
    while store.last_by_hand(edit.key) != edit.digest:
        before = store.get(edit.key)
        why: dict[str, object] = {"by": BY_HAND, "file": tree.shown(edit.path), "sha256": edit.digest}
        schema = schema_of(tree, edit.scope)
        if schema is not None and schema.meets(edit.key):
            schema.check(edit.key, edit.value)
            why["v"] = schema.version
        with suppress(Lost):  # somebody else, who perhaps saw the same file
            return store.put(edit.key, edit.value, over=before and before.version, why=why).entry
    return None


def _spec_folders(tree: Tree) -> Iterator[tuple[Scope, Path]]:
    for scope, folder in _candidates(tree):
        if is_dir(folder) and not is_link(folder):
            yield scope, folder


def _candidates(tree: Tree) -> Iterator[tuple[Scope, Path]]:
    yield Scope(ORCHESTRATION), tree.state_spec_folder(ORCHESTRATION)
    for path in sorted((tree.state_specs / CUSTOM).glob("*")):
        if is_name(path.name):
            yield Scope(CUSTOM, path.name), path


def _edit(scope: Scope, key: str, path: Path) -> HandEdit | None:
    try:
        data, _ = read_regular(path, most_bytes=_LARGEST_FILE_BYTES)
        value = value_of_json(data.decode())
        if repeat := repeat_in(data):
            raise BadInput(f"line {repeat[0]}: {repeat[1]}")
    except FileNotFoundError:
        return None
    except codec.NotJson as fault:
        return HandEdit(scope=scope, key=key, path=path, fault=f"line {fault.line}: is no JSON: {fault}")
    except UnicodeDecodeError as cause:
        why = f"line {data[: cause.start].count(10) + 1}: is no JSON: not in UTF-8"
        return HandEdit(scope=scope, key=key, path=path, fault=why)
    except BadInput as cause:
        return HandEdit(scope=scope, key=key, path=path, digest=sha256(data).hexdigest(), fault=str(cause))
    except (Unreadable, OSError, StorageError) as cause:
        return HandEdit(scope=scope, key=key, path=path, fault=f"cannot be read ({cause})")
    return HandEdit(scope=scope, key=key, path=path, digest=sha256(data).hexdigest(), value=value)
