"""`set DIR KEY VALUE`: change one key of `spec/`, checked before it is in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from maos_sup.agents.kind import kind_shapes
from maos_sup.cli import options
from maos_sup.cli.places import tree_at
from maos_sup.cli.says import say
from maos_sup.cli.wanted import known_agent, known_task, prompt
from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.paths import Tree
from state_layout.specs import edit_spec, unknown_keys

_ABSENT = object()


@click.command("set", context_settings=options.NUMBERS_MAY_BE_NEGATIVE)
@options.directory
@click.argument("key", metavar="KEY")
@click.argument("value", metavar="[VALUE]", required=False)
@click.option("--remove", is_flag=True, help="Remove the key: its default is in force again.")
def command(directory: str, key: str, value: str | None, *, remove: bool) -> None:
    """Set KEY to VALUE (JSON, or else text) in spec/.

    KEY is a key of the orchestration (limits.max_agents), of an agent (agents/bob.want) or of a task
    (tasks/report.timeout_s).
    """
    if remove == (value is not None):
        raise BadInput("give a VALUE, or --remove without one")
    say(set_key(tree_at(directory), key, value))


def set_key(tree: Tree, key: str, value: str | None) -> str:
    """Set `key` to `value`, or remove it if that is None; what changed, in words. Raises BadInput."""
    path, keys = _located(tree, key)
    if value is None:
        before, after = _edit(tree, path, keys, _ABSENT)
    else:
        before, after = _set_decoded(tree, path, keys, value)
    prompt(tree)
    shown = "removed" if after is _ABSENT else _text(after)
    return f"{tree.shown(path)}: {'.'.join(keys)} is {shown} (was {_text(before)})"


def _set_decoded(tree: Tree, path: Path, keys: list[str], value: str) -> tuple[object, object]:
    """As JSON where that fits the key, else as text (`env.LEVEL 3` is text)."""
    try:
        decoded = codec.decode(value)
    except codec.NotJson:
        return _edit(tree, path, keys, value)
    try:
        return _edit(tree, path, keys, decoded)
    except BadInput:
        if isinstance(decoded, str):
            raise
        try:
            return _edit(tree, path, keys, value)
        except BadInput:
            pass
        raise


def _edit(tree: Tree, path: Path, keys: list[str], value: object) -> tuple[object, object]:
    rel = str(path.relative_to(tree.spec))
    edit = edit_spec(tree, path, lambda spec: _changed(spec, keys, value, rel=rel), kinds=kind_shapes())
    return _at(edit.before or {}, keys), _at(edit.after, keys)


def _changed(spec: dict[str, Any], keys: list[str], value: object, *, rel: str) -> dict[str, Any]:
    """`spec` with the value at `keys`. Raises BadInput for a key that nothing reads and that is new there."""
    changed = _with(spec, keys, value)
    before = {fault.at for fault in unknown_keys(rel, spec, kinds=kind_shapes())}
    for fault in unknown_keys(rel, changed, kinds=kind_shapes()):
        if fault.at not in before:
            raise BadInput(f"spec/{rel}: {fault.text} (nothing was changed)")
    return changed


def _located(tree: Tree, key: str) -> tuple[Path, list[str]]:
    """The spec file that `key` is in, and the keys that lead to it there."""
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


def _with(spec: dict[str, Any], keys: list[str], value: object) -> dict[str, Any]:
    """`spec` with the value at `keys`; what lies around it is kept."""
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


def _at(spec: dict[str, Any], keys: list[str]) -> object:
    found: Any = spec
    for key in keys:
        if not isinstance(found, dict) or key not in found:
            return _ABSENT
        found = found[key]
    return found


def _text(value: object) -> str:
    return "not set" if value is _ABSENT else codec.encode(value).decode()
