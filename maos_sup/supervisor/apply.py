"""Takes actions that are journaled already. Each may be taken twice without harm: its journal line may be
all that a killed supervisor left behind."""

from __future__ import annotations

from collections.abc import Sequence

from maos_sup.core.model import Action, End, Finish, Seal, Submit
from maos_sup.launchers.base import Launcher, Submission
from state_layout.host.identity import mark_of
from state_layout.lives.attempts import seal_exit
from state_layout.paths import Tree
from state_layout.records import ExitReason, Phase, Specs


def apply(tree: Tree, launcher: Launcher, actions: Sequence[Action], specs: Specs) -> Phase | None:
    """Take `actions`; the phase if one of them finishes the orchestration. Raises StorageError.

    What dead agents left running is ended first, so before a successor can start. Their ends are sealed last,
    while successors come up: one that is quicker, or outlives us, looks for leftovers and seals by itself.
    """
    seals = [action for action in actions if isinstance(action, Seal)]
    if seals:
        launcher.sweep({mark_of(tree, seal.agent, seal.attempt) for seal in seals})
    finished: Phase | None = None
    for action in actions:
        match action:
            case Submit(agent=agent):
                launcher.submit(_submission(tree, action, specs))
            case End(agent=agent):
                launcher.cancel([agent], grace_s=action.grace_s)
            case Finish(phase=phase):
                finished = phase
            case _:
                pass  # remembered, or sealed below
    for seal in seals:
        seal_exit(tree, seal.agent, seal.attempt, by="supervisor", reason=ExitReason.LOST, detail=seal.detail)
    return finished


def _submission(tree: Tree, action: Submit, specs: Specs) -> Submission:
    return Submission(
        agent=action.agent,
        attempt=action.attempt,
        tree_root=str(tree.root),
        launcher=specs.launcher_of(action.agent),
        place=specs.place_of(action.agent),
        variables=tuple(specs.agents[action.agent].env_from.values()),
    )
