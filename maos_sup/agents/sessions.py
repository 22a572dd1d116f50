"""Says what kinds find wrong with the sessions of their agents: only they know the form of `session/`."""

from __future__ import annotations

from contextlib import suppress

from maos_sup.agents.registry import find_kind
from state_layout.check import Problem
from state_layout.errors import LayoutError
from state_layout.paths import Tree
from state_layout.records import Specs
from state_layout.specs import read_specs


def session_problems(tree: Tree, specs: Specs | None = None) -> list[Problem]:
    """List the problems of all agents of `tree`, whose `specs` may be known; none of those whose kind is not
    here."""
    found: list[Problem] = []
    try:
        agents = (specs or read_specs(tree).specs).agents
    except LayoutError:  # said by who checks the specs
        return found
    for name, agent in agents.items():
        with suppress(LayoutError):
            look = getattr(find_kind(agent.kind), "session_problems", None)
            found += [] if look is None else look(tree, name)
    return found
