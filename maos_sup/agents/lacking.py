"""Says what agents lack on this host: asked before a tree is made, by `resume` before any is started, by
`check`.

A copy may come to a machine without the programs of its agents, or by a way that keeps no file modes: object
stores, FAT, some tools that synchronise.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from maos_sup.agents.registry import Lack, lacks
from maos_sup.core.argv import file_argument, missing_script, plain_relative
from state_layout.check.problem import CATALOGUE, Finding, Problem
from state_layout.errors import LayoutError
from state_layout.files.reading import is_file, is_folder, is_there
from state_layout.paths import Tree
from state_layout.records import AgentSpec, Specs
from state_layout.specs import read_specs

_LOST = "is the program of agent {!r} and may not be executed (not every way to copy a tree keeps file modes)"
_GONE = "is run by agent {!r} and is not there, nor where that works"


def lacks_of(
    kind: str,
    settings: Mapping[str, Any],
    *,
    env: Mapping[str, str],
    env_from: Mapping[str, str],
    needs: Sequence[Collection[str]],
    comes_along: bool,
) -> Iterator[Lack]:
    """Yield what an agent lacks, as a plan or a spec tells of it. Raises BadInput for a kind that is not
    here.

    `needs`: those of each of its tasks. A program at an absolute path may be made by a task that all of them
    wait for, and a PATH of its own may lead to what is made on the way: neither is missed. `comes_along`: its
    program came with the plan, and only the variables can be missing.
    """
    environment = dict(os.environ)
    for inner, outer in env_from.items():
        if outer in os.environ:
            environment[inner] = os.environ[outer]
        else:
            text = f"'env_from' asks for the variable {outer}, which is not set; set it first"
            yield Lack(key="env_from", item=inner, text=text)
    if comes_along or "PATH" in env:
        return
    for lack in lacks(kind, settings, {**environment, **env}):
        argv = settings.get(lack.key)
        is_at_a_place = isinstance(argv, list) and str(argv[0]).startswith("/")
        if not (is_at_a_place and needs and all(needs)):
            yield lack


def lacks_here(tree: Tree, specs: Specs, name: str) -> Iterator[str]:
    """Sentences on what an agent cannot do without and this host does not have, each with the remedy."""
    spec = specs.agents[name]
    program = _program_in_tree(tree, spec)
    if program is not None and not os.access(program, os.X_OK):
        yield f"{tree.shown(program)} {_LOST.format(spec.name)}; {_remedy(program)}"
    gone = _gone(tree, specs, spec)
    if gone is not None:
        yield f"{tree.shown(gone)} {_GONE.format(spec.name)}; {CATALOGUE[Finding.FILE_MISSING].remedy}"
    found = lacks_of(
        spec.kind,
        spec.settings,
        env=spec.env,
        env_from=spec.env_from,
        needs=[task.needs for task in specs.tasks.values() if task.agent == name],
        comes_along=program is not None or gone is not None,
    )
    with suppress(LayoutError):  # of a kind that is not here: said by who reads the specs
        yield from (lack.text for lack in found)


def mode_problems(tree: Tree, specs: Specs | None = None) -> list[Problem]:
    """List the programs in `spec/files` that agents are to run, and that are gone or may not be executed; the
    `specs` may be known."""
    with suppress(LayoutError):  # said by who checks the specs
        specs = specs or read_specs(tree).specs
        return [problem for spec in specs.agents.values() for problem in _lost(tree, specs, spec)]
    return []


def _lost(tree: Tree, specs: Specs, spec: AgentSpec) -> Iterator[Problem]:
    gone, program = _gone(tree, specs, spec), _program_in_tree(tree, spec)
    if gone is not None:
        yield _problem(tree, Finding.FILE_MISSING, gone, what=_GONE.format(spec.name))
    elif program is not None and not os.access(program, os.X_OK):
        what, remedy = _LOST.format(spec.name), _remedy(program)
        yield _problem(tree, Finding.NOT_EXECUTABLE, program, what=what, remedy=remedy)


def _problem(tree: Tree, finding: Finding, path: Path, *, what: str, remedy: str | None = None) -> Problem:
    return Problem(
        finding=finding,
        path=tree.shown(path).encode("utf-8", "backslashreplace").decode(),
        line=None,
        what=what,
        remedy=remedy or CATALOGUE[finding].remedy,
        severity=CATALOGUE[finding].severity,
        is_repairable=False,
    )


def _gone(tree: Tree, specs: Specs, spec: AgentSpec) -> Path | None:
    """Name the file in `spec/files` that an agent needs, if it is neither there nor where the agent works.

    What is to be in a workspace may be made by the agent itself, so nothing is missed there.
    """
    named = spec.settings.get("callable")
    if isinstance(named, str):
        return _gone_module(tree, specs, spec, named.partition(":")[0].partition(".")[0])
    argv = _argv(spec)
    if argv is None or spec.cwd == "workspace" or file_argument(argv, _is_file_in(tree)) is not None:
        return None
    places = _places(tree, specs, spec)
    index = missing_script(argv, lambda word: any(is_there(place / word) for place in places))
    return None if index is None else tree.files / (plain_relative(argv[index]) or "")


def _gone_module(tree: Tree, specs: Specs, spec: AgentSpec, module: str) -> Path | None:
    for place in (tree.files, *_places(tree, specs, spec)):
        if is_there(place / f"{module}.py") or is_folder(place / module):
            return None
    with suppress(ImportError, ValueError):
        if find_spec(module) is not None:
            return None
    return tree.files / f"{module}.py"


def _places(tree: Tree, specs: Specs, spec: AgentSpec) -> list[Path]:
    """List the folders in which an agent may find what it names."""
    paths, project = tree.agent(spec.name), specs.orchestration.project
    own = [paths.workspace, paths.worktree]
    return own if project is None else [Path(os.path.normpath(tree.root / project)), *own]


def _is_file_in(tree: Tree) -> Callable[[str], bool]:
    return lambda path: is_file(tree.files / path)


def _argv(spec: AgentSpec) -> list[str] | None:
    argv = spec.settings.get("command") or spec.settings.get("start_argv")
    is_argv = isinstance(argv, list) and all(isinstance(word, str) for word in argv)
    return argv if is_argv else None


def _program_in_tree(tree: Tree, spec: AgentSpec) -> Path | None:
    """Find the file in `spec/files` that an agent runs by itself, without an interpreter before it."""
    argv = _argv(spec)
    if argv is None:
        return None
    if file_argument(argv, _is_file_in(tree)) != 0:
        return None
    return tree.files / (plain_relative(argv[0]) or "")


def _remedy(program: Path) -> str:
    return f"chmod +x {program}"
