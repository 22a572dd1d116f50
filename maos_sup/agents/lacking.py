"""Says what agents lack on this host: asked before a tree is made, by `resume` before any is started, by
`check`.

A copy may come to a machine without the programs of its agents, or by a way that keeps no file modes: object
stores, FAT, some tools that synchronise.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from maos_sup.agents.registry import Lack, lacks
from maos_sup.core.argv import file_argument, plain_relative
from state_layout.check.problem import CATALOGUE, Finding, Problem
from state_layout.errors import LayoutError
from state_layout.paths import Tree
from state_layout.records import AgentSpec, Specs
from state_layout.specs import read_specs

_LOST = "is the program of agent {!r} and may not be executed (not every way to copy a tree keeps file modes)"


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
    found = lacks_of(
        spec.kind,
        spec.settings,
        env=spec.env,
        env_from=spec.env_from,
        needs=[task.needs for task in specs.tasks.values() if task.agent == name],
        comes_along=program is not None,
    )
    with suppress(LayoutError):  # of a kind that is not here: said by who reads the specs
        yield from (lack.text for lack in found)


def mode_problems(tree: Tree) -> list[Problem]:
    """The programs in `spec/files` that may not be executed, though an agent is to run them."""
    with suppress(LayoutError):  # said by who checks the specs
        return [problem for spec in read_specs(tree).specs.agents.values() for problem in _lost(tree, spec)]
    return []


def _lost(tree: Tree, spec: AgentSpec) -> Iterator[Problem]:
    program = _program_in_tree(tree, spec)
    if program is None or os.access(program, os.X_OK):
        return
    yield Problem(
        finding=Finding.NOT_EXECUTABLE,
        path=tree.shown(program).encode("utf-8", "backslashreplace").decode(),
        line=None,
        what=_LOST.format(spec.name),
        remedy=_remedy(program),
        severity=CATALOGUE[Finding.NOT_EXECUTABLE].severity,
        is_repairable=False,
    )


def _program_in_tree(tree: Tree, spec: AgentSpec) -> Path | None:
    """Find the file in `spec/files` that an agent runs by itself, without an interpreter before it."""
    argv = spec.settings.get("command") or spec.settings.get("start_argv")
    if not isinstance(argv, list) or not all(isinstance(word, str) for word in argv):
        return None
    if file_argument(argv, lambda path: (tree.files / path).is_file()) != 0:
        return None
    return tree.files / (plain_relative(argv[0]) or "")


def _remedy(program: Path) -> str:
    return f"chmod +x {program}"
