"""Changes one key of `spec/`, checked before it is in place. What kinds know comes as an argument."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maos_sup.steering.change import Change
from maos_sup.steering.wanting import known_agent, known_task, prompt
from maos_sup.views.status import status_of
from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.paths import Tree
from state_layout.shapes.shape import Effect, Shape
from state_layout.specs import edit_spec, unknown_keys
from state_layout.specs.tables import AGENT

Kinds = Mapping[str, Shape]  # the settings of each kind, by its name
_ABSENT = object()


def set_key(tree: Tree, key: str, value: str | None, *, kinds: Kinds) -> Change:
    """Set `key` to `value` (JSON, or else text), or remove it if that is None. Raises BadInput.

    `key` is one of the orchestration (limits.max_agents), agents/NAME.key or tasks/NAME.key.
    """
    path, keys = _located(tree, key)
    if value is None:
        before, after = _edit(tree, path, keys, _ABSENT, kinds=kinds)
    else:
        before, after = _set_decoded(tree, path, keys, value, kinds=kinds)
    prompt(tree)
    shown = "removed" if after is _ABSENT else _text(after)
    subject = f"{tree.shown(path)}: {'.'.join(keys)}"
    text = f"{subject} is {shown} (was {_text(before)}){_later(tree, path, keys, kinds=kinds)}"
    return Change(subject=subject, text=text, before=_or_none(before), after=_or_none(after))


def as_value(text: str) -> Any:
    """Read `text` as JSON if it is some, else as it is."""
    try:
        return codec.decode(text)
    except codec.NotJson:
        return text


def _later(tree: Tree, path: Path, keys: list[str], *, kinds: Kinds) -> str:
    """Say when the change is in force, where an attempt under way keeps the old value; else nothing."""
    if path.parent != tree.agent_specs:
        return ""
    status = next((one for one in status_of(tree)["agents"] if one["name"] == path.stem), None)
    if status is None or status["pid"] is None:
        return ""
    known = AGENT.fields.get(keys[0]) or kinds.get(str(status["kind"]), AGENT).fields.get(keys[0])
    if known is not None and (known.effect or Effect.NEXT_TASK) is not Effect.NEXT_TASK:
        return ""
    return "; takes effect with its next attempt or task: what it does now keeps the old value"


def _set_decoded(
    tree: Tree, path: Path, keys: list[str], value: str, *, kinds: Kinds
) -> tuple[object, object]:
    """Set the value as JSON where that fits the key, else as text (`env.LEVEL 3` is text)."""
    try:
        decoded = codec.decode(value)
    except codec.NotJson:
        return _edit(tree, path, keys, value, kinds=kinds)
    try:
        return _edit(tree, path, keys, decoded, kinds=kinds)
    except BadInput:
        if isinstance(decoded, str):
            raise
        try:
            return _edit(tree, path, keys, value, kinds=kinds)
        except BadInput:
            pass
        raise


def _edit(tree: Tree, path: Path, keys: list[str], value: object, *, kinds: Kinds) -> tuple[object, object]:
    rel = str(path.relative_to(tree.spec))
    edit = edit_spec(tree, path, lambda spec: _changed(spec, keys, value, rel=rel, kinds=kinds), kinds=kinds)
    return _at(edit.before or {}, keys), _at(edit.after, keys)


def _changed(
    spec: dict[str, object], keys: list[str], value: object, *, rel: str, kinds: Kinds
) -> dict[str, object]:
    """Put the value at `keys` in `spec`. Raises BadInput for a key that nothing reads and that is new
    there."""
    changed = _with(spec, keys, value)
    before = {fault.at for fault in unknown_keys(rel, spec, kinds=kinds)}
    for fault in unknown_keys(rel, changed, kinds=kinds):
        if fault.at not in before:
            raise BadInput(f"spec/{rel}: {fault.text} (nothing was changed)")
    return changed


def _located(tree: Tree, key: str) -> tuple[Path, list[str]]:
    """Find the spec file that `key` is in, and the keys that lead to it there."""
    folder, slash, rest = key.partition("/")
    path = tree.orchestration_spec
    if slash:
        name, _, key = rest.partition(".")
        if folder == "agents":
            path = tree.agent_spec(known_agent(tree, name))
        elif folder == "tasks":
            path = tree.task_spec(known_task(tree, name))
        else:
            raise BadInput(f"{folder}/: use agents/NAME.key, tasks/NAME.key or a key of the orchestration")
    keys = key.split(".")
    if not all(keys):
        raise BadInput(f"{key!r} is no key; write it like limits.max_agents or agents/bob.want")
    return path, keys


def _with(spec: dict[str, object], keys: list[str], value: object) -> dict[str, object]:
    """Put the value at `keys` in a copy of `spec`; what lies around it is kept."""
    first, *rest = keys
    changed = dict(spec)
    if rest:
        inner = spec.get(first)
        changed[first] = _with(inner if isinstance(inner, dict) else {}, rest, value)
    elif value is _ABSENT:
        changed.pop(first, None)
    else:
        changed[first] = value
    return changed


def _at(spec: dict[str, object], keys: list[str]) -> object:
    found: Any = spec
    for key in keys:
        if not isinstance(found, dict) or key not in found:
            return _ABSENT
        found = found[key]
    return found


def _text(value: object) -> str:
    return "not set" if value is _ABSENT else codec.encode(value).decode()


def _or_none(value: object) -> object:
    return None if value is _ABSENT else value
