"""What the agents of a tree lack on this host: asked by `resume` before it starts anything, and by `check`.

A copy may come to a machine without the programs of its agents, or by a way that keeps no file modes: object
stores, FAT, some tools that synchronise.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from maos_sup.agents.registry import lacks
from maos_sup.core.argv import file_argument, plain_relative
from state_layout.check.problem import CATALOGUE, Finding, Problem
from state_layout.errors import LayoutError
from state_layout.paths import Tree
from state_layout.records import AgentSpec
from state_layout.specs import read_specs

_LOST = "is the program of agent {!r} and may not be executed: whatever copied the tree kept no file modes"


def lacks_here(tree: Tree, spec: AgentSpec) -> Iterator[str]:
    """Sentences on what an agent cannot do without and this host does not have, each with the remedy."""
    program = _program_in_tree(tree, spec)
    if program is not None:
        if not os.access(program, os.X_OK):
            yield f"{tree.shown(program)} {_LOST.format(spec.name)}; {_remedy(program)}"
        return
    environment = dict(os.environ)
    for inner, outer in spec.env_from.items():
        if outer in os.environ:
            environment[inner] = os.environ[outer]
        else:
            yield f"'env_from' asks for the variable {outer}, which is not set; set it first"
    if "PATH" in spec.env:
        return  # the way may lead to what is made meanwhile
    with suppress(LayoutError):  # of a kind that is not here: said by who reads the specs
        yield from (lack.text for lack in lacks(spec.kind, spec.settings, environment | spec.env))


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
    """The file in `spec/files` that an agent runs by itself, without an interpreter before it."""
    argv = spec.settings.get("command") or spec.settings.get("start_argv")
    if not isinstance(argv, list) or not all(isinstance(word, str) for word in argv):
        return None
    if file_argument(argv, lambda path: (tree.files / path).is_file()) != 0:
        return None
    return tree.files / (plain_relative(argv[0]) or "")


def _remedy(program: Path) -> str:
    return f"chmod +x {program}"
