"""Snapshots and budgets: files that can be made anew, and chains that stand alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from state_layout.check.problem import CATALOGUE, Finding, FindingEntry, Severity, as_note
from state_layout.check.scan import FileScan, ScanBounds, judge
from state_layout.check.scene import Scene
from state_layout.files.reading import Unreadable
from state_layout.host.identity import Handle
from state_layout.records import Phase, TaskOutcome

if TYPE_CHECKING:
    from state_layout.records.snapshots import AgentSnapshot, SupervisorSnapshot


_SUFFIX = ".jsonl"
_MOMENT = as_note(Finding.SNAPSHOT_BAD, "nobody can go back to that moment; remove it")
_WORKTREE = CATALOGUE[Finding.SNAPSHOT_BAD]._replace(
    severity=Severity.PROBLEM, remedy="move it away, then resume", is_repairable=False
)


def check_snapshots(scene: Scene) -> None:
    """Report snapshots that their readers would not understand."""
    for agent in scene.agents:
        _check(scene, scene.tree.agent(agent).status, partial(_check_agent_status, agent))
        _check(scene, scene.tree.handle(agent), Handle.from_json)
        paths = scene.tree.agent(agent)
        _check(scene, paths.worktree_record, lambda value: str(value["mode"]), said=_WORKTREE)
        for path in sorted(paths.snapshots.glob("*.json")):
            _check(scene, path, lambda value: int(value["number"]), said=_MOMENT)
    for path in sorted(scene.tree.checkpoints.glob("*.json")):
        _check(scene, path, lambda value: dict(value["agents"]), said=_MOMENT)
    _check(scene, scene.tree.supervisor_status, _check_supervisor_status)
    _check(scene, scene.tree.supervisor_handle, Handle.from_json)
    _check(scene, scene.tree.host, _check_host)


def check_budgets(scene: Scene) -> None:
    """Check the chains of what was reserved and spent."""
    for name in scene.names(scene.tree.budget):
        path, agent = scene.tree.budget / name, name.removesuffix(_SUFFIX)
        if not name.endswith(_SUFFIX) or name.startswith(".") or not scene.is_file(path):
            continue
        if agent not in scene.agents:
            what = f"is the budget of {agent!r}, who is no agent of this tree"
            scene.report(Finding.UNKNOWN_AGENT, path, what=what)
        scan = FileScan(scene, path)
        for _ in scan:
            pass
        judge(scene, scan, ScanBounds(is_continued=True), is_written=partial(scene.lives, agent))


def _check(
    scene: Scene, path: Path, look: Callable[[Any], object], *, said: FindingEntry | None = None
) -> None:
    if not scene.is_file(path):
        return
    with scene.reading(path):
        try:
            look(scene.object_in(path))
        except Unreadable:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            what = f"cannot be understood ({cause})"
            is_host_bound = path.is_relative_to(scene.tree.run)
            remedy = "it is made anew; run/ may be deleted at any time"
            said = as_note(Finding.SNAPSHOT_BAD, remedy) if is_host_bound else said
            scene.report(Finding.SNAPSHOT_BAD, path, what=what, said=said)


def _check_agent_status(agent: str, value: AgentSnapshot) -> None:
    if value["agent"] != agent:
        raise ValueError(f"it is of {value['agent']!r}")
    for outcome in value["tasks"].values():
        TaskOutcome.from_json(outcome)


def _check_supervisor_status(value: SupervisorSnapshot) -> None:
    Phase(value["phase"])
    for item in (*value["agents"].values(), *value["tasks"].values()):
        item["phase"]


def _check_host(value: Mapping[str, Any]) -> None:
    int(value["device"]), int(value["inode"]), str(value["boot_id"])
