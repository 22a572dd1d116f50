"""The specs: what a person has to edit, in the words of `state_layout.specs`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from state_layout.check.problem import CATALOGUE, Finding
from state_layout.check.scene import Scene
from state_layout.errors import BadInput, NotATree
from state_layout.files.reading import is_there
from state_layout.records import Specs
from state_layout.scopes.names import CUSTOM, Scope
from state_layout.scopes.people import edits_in
from state_layout.scopes.schemas import schema_of
from state_layout.specs import Kinds, SpecError, read_specs

SCHEMA = ".schema.json"


def check_specs(scene: Scene, kinds: Kinds | None) -> None:
    """Report every mistake in `spec/`, and files that are missing while their last good copy is in force."""
    specs: Specs | None = None
    try:
        read = read_specs(scene.tree, kinds=kinds)
        errors: Iterable[SpecError] = read.errors
        specs = None if read.errors else read.specs
    except BadInput as cause:
        errors = [SpecError(path=_path(text), line=0, key="", text=text) for text in cause.problems]
    except NotATree as cause:
        errors = [SpecError(path="spec/orchestration.json", line=0, key="", text=str(cause))]
    for error in errors:
        _report(scene, error)
    if kinds:
        _check_kinds(scene, kinds, specs)
    _check_state(scene)


def _check_state(scene: Scene) -> None:
    """Report values by hand that nobody can put in force, and schemas, by which every put is refused."""
    for edit in edits_in(scene.tree):
        if edit.fault is not None and not scene.is_hidden(edit.path):
            scene.report(Finding.SPEC, edit.path, what=edit.fault.rpartition("; ")[0] or edit.fault)
    folder = scene.tree.state_specs
    for path in sorted((*folder.glob(f"*{SCHEMA}"), *folder.glob(f"{CUSTOM}/*{SCHEMA}"))):
        name = path.name.removesuffix(SCHEMA)
        try:
            schema_of(scene.tree, Scope(CUSTOM, name) if path.parent != folder else Scope(name))
        except BadInput as cause:
            _, _, what = str(cause).partition(": ")
            said = CATALOGUE[Finding.SPEC]._replace(remedy="mend it; until then every put there is refused")
            scene.report(Finding.SPEC, path, what=what.removesuffix("; mend it"), said=said)


def _check_kinds(scene: Scene, kinds: Kinds, specs: Specs | None) -> None:
    """Report agents whose settings could not be checked, since their kind is not here.

    `specs` are those without a mistake; where there are some, what was good last counts, of whatever kind.
    """
    try:
        agents = (specs or read_specs(scene.tree).specs).agents
    except (BadInput, NotATree):
        return
    for agent in agents.values():
        if agent.kind not in kinds:
            what = f"is of kind {agent.kind!r}, which is not to be had here: its settings were not checked"
            scene.report(Finding.KIND_UNKNOWN, scene.tree.agent_spec(agent.name), what=what)


def _report(scene: Scene, error: SpecError) -> None:
    path = scene.tree.root / error.path
    if scene.is_hidden(path):
        return  # said by `check.walk`
    is_missing = not is_there(path) and (scene.is_folder(path.parent) or not is_there(path.parent))
    finding = Finding.SPEC_MISSING if is_missing and _has_copy(scene, path) else Finding.SPEC
    what, _, remedy = _without_place(error).rpartition("; ")
    said = CATALOGUE[finding]
    if finding is Finding.SPEC and what:
        said = said._replace(remedy=remedy)
    if finding is Finding.SPEC_MISSING or not what:
        what = "is missing" if finding is Finding.SPEC_MISSING else remedy
    scene.report(finding, path, line=error.line or None, what=what, said=said)


def _has_copy(scene: Scene, path: Path) -> bool:
    return path.is_relative_to(scene.tree.spec) and scene.is_file(scene.tree.accepted_copy(path))


def _without_place(error: SpecError) -> str:
    """Give the text of an error without the path and line before it."""
    for place in (f"{error.path}:{error.line}: ", f"{error.path}: "):
        if error.text.startswith(place):
            return error.text.removeprefix(place)
    return error.text


def _path(text: str) -> str:
    return text.partition(":")[0]
