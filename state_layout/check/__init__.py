"""`check`: what is wrong with a tree and what to do about it, each finding with its path and line.

Changes nothing. Works on a tree that lives, on a copy and on half of one; never waits, never fails for what
it finds. After fsck and restic's `check`; `repair` mends what is safe. One module per concern:

    walk          the files and folders themselves        specs        what people edit
    scan, first_bad_line                                  one chained file
    first_lines, lives_of_agents, checkpoints, exits      the lives of agents
    mail          mail against journals and marks         supervisor   its lives
    snapshots     status, handles, budgets                scene        what they share
    stores        chains of other frameworks              shared       state of several writers
    moments       checkpoints of the team                 shares       a large tree, on all processors
    witnessed     what was seen of the tree before        accepted     what people stand by
"""

from __future__ import annotations

from functools import partial

from state_layout.check.accepted import accept, with_acceptances
from state_layout.check.lives_of_agents import LivesAccount, check_agent
from state_layout.check.mail import check_mail, read_mail
from state_layout.check.problem import CATALOGUE, Finding, Problem, Severity, is_of_people
from state_layout.check.scene import Scene
from state_layout.check.shared import check_shared
from state_layout.check.shares import Examination, bytes_below, examined
from state_layout.check.snapshots import check_budgets, check_snapshots
from state_layout.check.specs import check_specs
from state_layout.check.stores import check_stores
from state_layout.check.supervisor import check_supervisor
from state_layout.check.walk import check_walk
from state_layout.check.witnessed import check_witness
from state_layout.errors import NotATree, StorageError
from state_layout.migrations import check_version
from state_layout.paths import FORMAT_VERSION, Tree
from state_layout.specs import Kinds

__all__ = ["CATALOGUE", "Finding", "Problem", "Severity", "accept", "check", "is_of_people"]


def check(tree: Tree, *, kinds: Kinds | None = None, is_held_still: bool = False) -> list[Problem]:
    """Everything found in `tree`, problems before notes; `kinds` has the settings of the agents' kinds.

    `is_held_still`: the caller holds all locks (`tree.stillness`), so nobody else lives. A tree of
    another format is not looked into. Raises OSError if the folder of the tree is not there.
    """
    scene = Scene(tree, is_held_still=is_held_still)
    if _is_this_format(scene):
        check_walk(scene)
        check_specs(scene, kinds)
        check_supervisor(scene)
        files = read_mail(scene)
        accounts = _accounts(scene)
        check_mail(scene, files, accounts)
        check_budgets(scene)
        check_snapshots(scene)
        check_stores(scene)
        check_shared(scene, {agent: account.stored for agent, account in accounts.items()})
        check_witness(scene)
    order = list(Severity)
    return sorted(
        with_acceptances(scene), key=lambda found: (order.index(found.severity), found.path, found.line or 0)
    )


def _accounts(scene: Scene) -> dict[str, LivesAccount]:
    """Check the lives of all agents, those of a large tree on all processors."""
    lives = [
        Examination(bytes_below(scene.tree.agent(agent).attempts), partial(check_agent, scene, agent))
        for agent in scene.agents
    ]
    return dict(zip(scene.agents, examined(scene, lives), strict=True))


def _is_this_format(scene: Scene) -> bool:
    """Say whether the tree may be read as one of this format; without FORMAT, as in a copy, it may."""
    path, entry = scene.tree.format, CATALOGUE[Finding.BAD_FORMAT]
    try:
        version = check_version(scene.tree)
    except FileNotFoundError:
        scene.report(Finding.BAD_FORMAT, path, what="is missing: nobody takes this for an orchestration")
        return True
    except (NotATree, StorageError) as cause:
        what, _, remedy = str(cause).removeprefix(f"{path}: ").rpartition("; ")
        scene.report(Finding.BAD_FORMAT, path, what=what, said=entry._replace(remedy=remedy))
        return False
    if version < FORMAT_VERSION:
        said = entry._replace(remedy="open it (maos-sup status): it is brought up to date")
        scene.report(Finding.BAD_FORMAT, path, what=f"is of the older format {version}", said=said)
    return version == FORMAT_VERSION
