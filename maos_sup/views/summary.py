"""Says what is said when a watched orchestration has come to rest. Pure text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from maos_sup.core.overlaps import changed_text, overlap_lines
from maos_sup.views.events import counted, duration_text, outcome_text
from maos_sup.views.render import UNBOUNDED, folded
from state_layout.files.looking import exists
from state_layout.records import Phase, TaskPhase

if TYPE_CHECKING:
    from maos_sup.views.shapes import Status


def summary_lines(
    status: Status, *, name: str, took_s: float | None = None, width: int = UNBOUNDED
) -> list[str]:
    """Say how it ended, what failed, where the tree and the artifacts are, what to type next.

    What is no path and no command is folded at `width`.
    """
    lines = [_headline(status, took_s)]
    for task in status["tasks"]:
        if task["phase"] in (TaskPhase.FAILED, TaskPhase.BLOCKED, TaskPhase.CANCELLED):
            lines += folded(f"  {task['id']}: {outcome_text(task)}", width)
    lines += [part for line in changed_lines(status) for part in folded(f"  {line}", width)]
    lines.append(f"  tree: {status['directory']}")
    lines += [f"  artifact: {path}" for path in artifact_paths(status)]
    return lines + [f"  {hint}" for hint in _hints(status, name)]


def artifact_paths(status: Status) -> list[str]:
    """List the paths of artifacts that agents handed over."""
    paths = []
    for agent in status["agents"]:
        folder = Path(status["directory"]) / "agents" / agent["name"] / "artifacts"
        paths += [str(path) for artifact in agent["artifacts"] if exists(path := folder / str(artifact))]
    return paths


def changed_lines(status: Status) -> list[str]:
    """Say what each agent changed in a worktree of its own, and who changed the same."""
    changed = {
        agent["name"]: agent["changed"]
        for agent in status["agents"]
        if agent["changed"] and agent["changed"]["files"]
    }
    lines = [
        f"{name} changed {changed_text(told['files'], told['added'], told['removed'])} on {told['branch']}"
        for name, told in changed.items()
    ]
    return lines + overlap_lines(status["overlaps"])


def saved_line(status: Status, *, name: str) -> str:
    """Write the one line after a pause: what was saved, and how to go on."""
    counts = status["counts"]
    begun = [
        task["id"] for task in status["tasks"] if task["phase"] in (TaskPhase.INTERRUPTED, TaskPhase.ASKING)
    ]
    under_way = f", under way: {', '.join(begun)}" if begun else ""
    return (
        f"{status['phase']}; saved: {counts['tasks'] - counts['tasks_left']} of "
        f"{counted(counts['tasks'], 'task')} settled{under_way}, "
        f"{counted(counts['messages'], 'message')} sent, all output. Go on with: maos-sup resume {name}"
    )


def _headline(status: Status, took_s: float | None) -> str:
    counts = status["counts"]
    done = counts["tasks_by_phase"].get(TaskPhase.DONE, 0)
    parts = [
        f"{done} of {counted(counts['tasks'], 'task')} done",
        counted(counts["agents"], "agent"),
        f"{counted(counts['messages'], 'message')} sent",
        counted(counts["discoveries"], "discovery"),
    ]
    if counts["cost_usd"]:
        parts.append(f"{counts['cost_usd']:.2f} USD")
    if took_s is not None:
        parts.append(duration_text(took_s))
    return f"{status['phase']}: {', '.join(parts)}"


def _hints(status: Status, name: str) -> list[str]:
    failed = [task for task in status["tasks"] if task["phase"] == TaskPhase.FAILED]
    wrote = {agent["name"] for agent in status["agents"] if agent["last_output_at"]}
    agents = dict.fromkeys(task["agent"] for task in failed if task["agent"] in wrote)
    hints = [f"see why: maos-sup logs {name} {agent}" for agent in list(agents)[:3]]
    if any(agent["changed"] for agent in status["agents"]):
        hints.append(f"see what they changed: maos-sup diff {name}; put it together: maos-sup land {name}")
    if failed:
        hints.append(f"try again: maos-sup retry {name}")
    if status["phase"] in (Phase.STOPPED, Phase.PAUSED, Phase.INTERRUPTED):
        hints.append(f"go on: maos-sup resume {name}")
    return hints
