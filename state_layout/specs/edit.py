"""Change spec files for a person: under `spec/.lock`, checked before they are in place, unknown keys kept.

People edit the same files by hand without that lock, so the bytes that were read are compared again at the
last moment before the rename; if they changed, the change is made anew on top of them.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct

from state_layout.errors import BadInput
from state_layout.files import atomic, codec, locks
from state_layout.files.fence import refuse_links
from state_layout.files.reading import Unreadable, is_file, read_regular
from state_layout.paths import Tree
from state_layout.records import TaskSpec
from state_layout.shapes.shape import Fault
from state_layout.shapes.wording import closest, listed
from state_layout.specs.files import (
    Kinds,
    SpecError,
    checked,
    encoded_spec,
    is_spec_path,
    spec_faults,
    spec_record,
)
from state_layout.specs.links import LinkFault, circle_faults, circles, link_faults, links_of
from state_layout.specs.read import read_specs

_ROUNDS = 20  # of somebody writing in between, before it is given up
_NO_SPEC_FILE = "is no spec file; use spec/orchestration.json, spec/agents/NAME.json or spec/tasks/NAME.json"


class Edit(Struct, frozen=True, kw_only=True):
    """An edit is what was done; `before` is None for a new file, and equal to `after` if nothing had to
    change."""

    path: Path
    before: dict[str, object] | None
    after: dict[str, object]


def edit_spec(
    tree: Tree,
    path: Path,
    change: Callable[[dict[str, object]], dict[str, object]],
    *,
    kinds: Kinds | None = None,
) -> Edit:
    """Replace the spec file `path` by what `change` makes of it, durably.

    `change` gets a copy of the object and may be called again if a hand edit comes in between. Raises
    BadInput if the file is missing, bad before or bad after; then it stays as it is. Raises Locked,
    Damaged for a link on the way, StorageError.
    """
    rel = _rel(tree, path)
    with locks.editing(tree.spec_lock):
        for _ in range(_ROUNDS):
            data = _current(tree, path)
            before = _good_object(rel, data, kinds or {})
            after = change(codec.decode_object(data))
            if after == before:
                return Edit(path=path, before=before, after=after)
            new = _encoded(tree, rel, after, kinds or {}, before=before)
            if atomic.replace_if(path, new, partial(_is_still, path, data)):
                return Edit(path=path, before=before, after=after)
    raise BadInput(f"{tree.shown(path)}: somebody keeps writing it; nothing was changed: try again")


def add_spec(tree: Tree, path: Path, value: dict[str, object], *, kinds: Kinds | None = None) -> Edit:
    """Create the spec file `path` with `value`, durably. Raises as `add_specs` does."""
    return add_specs(tree, {path: value}, kinds=kinds)[0]


def add_specs(
    tree: Tree,
    values: Mapping[Path, dict[str, object]],
    *,
    kinds: Kinds | None = None,
    allow: Callable[[], None] | None = None,
) -> list[Edit]:
    """Create spec files in this order, durably, if `allow`, asked under the lock, does not raise.

    Raises BadInput if one exists or is bad: those before it are there then. Raises Locked, Damaged for a
    link on the way, StorageError.
    """
    rels = {path: _rel(tree, path) for path in values}
    with locks.editing(tree.spec_lock):
        if allow is not None:
            allow()
        for path, value in values.items():
            data = _encoded(tree, rels[path], value, kinds or {})
            atomic.make_folder(path.parent)
            if not atomic.create_once(path, data):
                raise BadInput(f"{tree.shown(path)}: is there already; choose another name or edit it")
    return [Edit(path=path, before=None, after=value) for path, value in values.items()]


def validate_spec_bytes(path: str, data: bytes, *, kinds: Kinds | None = None) -> list[SpecError]:
    """List every mistake in `data` as the spec file `path` (relative to the tree), links to other files
    aside."""
    rel = path.removeprefix("spec/")
    if not is_spec_path(rel):
        return [SpecError(path=path, line=0, key="", text=f"{path}: {_NO_SPEC_FILE}")]
    return list(checked(rel, data, path=f"spec/{rel}", kinds=kinds or {}).errors)


def _rel(tree: Tree, path: Path) -> str:
    rel = str(path.relative_to(tree.spec)) if path.is_relative_to(tree.spec) else ""
    if not is_spec_path(rel):
        raise BadInput(f"{tree.shown(path)}: {_NO_SPEC_FILE}")
    refuse_links(tree.root, path.parent)
    return rel


def _current(tree: Tree, path: Path) -> bytes:
    shown = tree.shown(path)
    try:
        return read_regular(path)[0]
    except FileNotFoundError as cause:
        raise BadInput(f"{shown}: is not there; {_remedy_for_missing(tree, path)}") from cause
    except Unreadable as cause:
        raise BadInput(f"{shown}: {cause}") from cause


def _remedy_for_missing(tree: Tree, path: Path) -> str:
    if is_file(tree.accepted_copy(path)):
        copy = f"cp {shlex.quote(tree.shown(tree.accepted_copy(path)))} {shlex.quote(tree.shown(path))}"
        return f"put its last good version back: {copy} (or: maos-sup check --repair)"
    if path == tree.orchestration_spec:
        return "restore it from a copy of the orchestration"
    names = sorted(file.stem for file in path.parent.glob("*.json"))
    known = f"use {listed(names[:8], last='or')}" if names else "add it first"
    return closest(path.stem, names) or known


def _good_object(rel: str, data: bytes, kinds: Kinds) -> dict[str, object]:
    errors = checked(rel, data, path=f"spec/{rel}", kinds=kinds).errors
    if errors:
        raise BadInput(*[f"{error.text} (nothing was changed)" for error in errors])
    return codec.decode_object(data)


def _encoded(
    tree: Tree, rel: str, value: dict[str, object], kinds: Kinds, *, before: Mapping[str, Any] | None = None
) -> bytes:
    """Check `value` and encode it as `rel`. Raises BadInput with every mistake."""
    faults: list[Fault | LinkFault] = [*spec_faults(rel, value, kinds=kinds)]
    is_linked_anew = before is None or any(before.get(key) != value.get(key) for key in ("agent", "needs"))
    if not faults and is_linked_anew and rel.startswith("tasks/"):
        faults += _task_link_faults(tree, rel, value)
    if faults:
        raise BadInput(*[f"spec/{rel}: {fault.text} (nothing was changed)" for fault in faults])
    try:
        return encoded_spec(value)
    except BadInput as cause:
        raise BadInput(f"spec/{rel}: {cause} (nothing was changed)") from cause


def _task_link_faults(tree: Tree, rel: str, value: dict[str, object]) -> list[LinkFault]:
    """Find what would be wrong between this task and the others; faults among the others are not asked."""
    specs = read_specs(tree).specs
    task = spec_record(rel, value)
    if not isinstance(task, TaskSpec):
        return []
    links = {**links_of(specs.tasks.values()), **links_of([task])}
    faults = [*link_faults(specs.agents.keys(), links)]
    faults += [fault for circle in circles(links) for fault in circle_faults(circle, links)]
    return [fault for fault in faults if fault.task == task.id]


def _is_still(path: Path, data: bytes) -> bool:
    try:
        return read_regular(path)[0] == data
    except (FileNotFoundError, Unreadable):
        return False
