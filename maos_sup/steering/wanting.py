"""Edits what is wanted in `spec/` and tells whoever lives to look again. Every edit is durable on return."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from maos_sup.core.tasks import UNFINISHED
from maos_sup.steering.change import Change
from maos_sup.views.status import status_of
from state_layout.errors import BadInput
from state_layout.host.triggers import pull
from state_layout.paths import Tree
from state_layout.records import TaskPhase, Want
from state_layout.shapes.wording import not_known
from state_layout.specs import edit_spec

if TYPE_CHECKING:
    from maos_sup.views.shapes import Status, TaskShown

_OVER = (TaskPhase.FAILED, TaskPhase.CANCELLED)


def want_of_all(tree: Tree, want: Want) -> Change:
    """Set what is wanted of the orchestration."""
    return _want_of(tree, tree.orchestration_spec, want, "the orchestration")


def want_of_agent(tree: Tree, agent: str, want: Want) -> Change:
    """Set what is wanted of one agent. Raises BadInput if there is none."""
    known_agent(tree, agent)
    return _want_of(tree, tree.agent_spec(agent), want, f"agent {agent}")


def want_of_tasks(tree: Tree, tasks: Iterable[str], want: Want) -> tuple[Change, ...]:
    """Set what is wanted of some tasks."""
    return tuple(_want_of(tree, tree.task_spec(task), want, f"task {task}") for task in tasks)


def run_again(tree: Tree, tasks: Iterable[TaskShown]) -> tuple[Change, ...]:
    """Ask for another run of `tasks`, as `status_of` gives them."""
    changes = []
    for task in tasks:
        run, subject = task["run"] + 1, f"task {task['id']}"
        edit_spec(tree, tree.task_spec(task["id"]), partial(_asked_again, run=run))
        text = f"{subject} is to run again (run {run})"
        changes.append(Change(subject=subject, text=text, before=task["run"], after=run))
    prompt(tree)
    return tuple(changes)


def tasks_to_retry(tree: Tree, *, agent: str | None, task: str | None) -> list[TaskShown]:
    """Find the tasks meant: one by name if it has ended, else those of `agent`, or all, that failed."""
    status = status_of(tree)
    if task is not None:
        chosen = _task(status, task)
        phase = chosen["phase"]
        if phase in UNFINISHED or phase == TaskPhase.BLOCKED:
            remedy = "retry what it needs" if phase == TaskPhase.BLOCKED else "wait for that"
            raise BadInput(f"task {task} is {phase}, it has not ended; {remedy}, or cancel it first")
        return [chosen]
    if agent is not None:
        known_agent(tree, agent)
    return [
        found
        for found in status["tasks"]
        if agent in (None, found["agent"])
        and (found["phase"] == TaskPhase.FAILED or (agent is not None and found["phase"] in _OVER))
    ]


def unfinished_tasks(tree: Tree, *, agent: str | None, task: str | None) -> list[str]:
    """List the tasks meant that have not ended: one by name, else those of `agent`, or all."""
    status = status_of(tree)
    if task is not None:
        chosen = _task(status, task)
        if chosen["phase"] not in UNFINISHED and chosen["phase"] != TaskPhase.BLOCKED:
            raise BadInput(f"task {task} is {chosen['phase']} already; nothing was changed")
        return [task]
    if agent is not None:
        known_agent(tree, agent)
    return [
        found["id"]
        for found in status["tasks"]
        if agent in (None, found["agent"]) and found["phase"] in UNFINISHED
    ]


def known_agent(tree: Tree, agent: str) -> str:
    """Give `agent` back, if there is one of that name. Raises BadInput."""
    return _known(agent, _names(tree.agent_specs), "agent")


def known_task(tree: Tree, task: str) -> str:
    """Give `task` back, if there is one of that name. Raises BadInput."""
    return _known(task, _names(tree.task_specs), "task")


def prompt(tree: Tree, *agents: str) -> None:
    """Let the supervisor and `agents` (all, by default) look at `spec/` now, not at their tick."""
    for reader in ("supervisor", *(agents or _names(tree.agent_specs))):
        pull(tree, reader)


def _asked_again(spec: dict[str, object], *, run: int) -> dict[str, object]:
    return {**spec, "run": run, "want": Want.RUN.value}


def _want_of(tree: Tree, path: Path, want: Want, subject: str) -> Change:
    edit = edit_spec(tree, path, lambda spec: {**spec, "want": want.value})
    prompt(tree)
    before = (edit.before or {}).get("want", Want.RUN.value)
    text = f"{subject}: {want.value} is wanted" + (" already" if before == want else f" (was {before})")
    return Change(subject=subject, text=text, before=before, after=want.value)


def _task(status: Status, task: str) -> TaskShown:
    by_id = {found["id"]: found for found in status["tasks"]}
    return by_id[_known(task, by_id, "task")]


def _known(name: str, names: Iterable[str], what: str) -> str:
    known = [*names]
    if name in known:
        return name
    raise BadInput(not_known(name, known, what=what))


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.stem for path in folder.iterdir() if path.suffix == ".json")
    except OSError:
        return []
