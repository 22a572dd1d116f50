"""The first prompt of a task: the task and what it stands in, the same for every kind that uses a model."""

from __future__ import annotations

from typing import Any

from maos_sup.agents.kinds.shared.marked import quoteattr
from maos_sup.agents.work import Work
from state_layout.errors import LayoutError
from state_layout.files import codec
from state_layout.files.looking import is_dir
from state_layout.records import Specs
from state_layout.specs import read_specs

_MOST_RESULT_CHARS = 20_000


def first_prompt(work: Work, *, sandbox: str) -> str:
    """Write the request, the team, the results that the task needs, the place and the task.

    Raises Damaged, StorageError.
    """
    task, specs = work.task, _all_specs(work)
    others = [agent for agent in specs.agents.values() if agent.name != task.agent]
    team = "\n".join(f"- {agent.name}: {_first_line(agent.role) or agent.kind}" for agent in others)
    parts = [
        f"<request>\n{specs.orchestration.request}\n</request>",
        f"<team>\n{team}\n</team>" if team else "",
        *(_result(need, specs, value) for need, value in work.results().items() if value is not None),
        f"<place>\nYou work in {_place(work)}. Commands are confined by: {sandbox}.\n</place>",
        f"<task id={quoteattr(task.id)}>\n{task.description or specs.orchestration.request}\n</task>",
    ]
    return "\n\n".join(part for part in parts if part)


def _all_specs(work: Work) -> Specs:
    """Read the specs of all: an agent itself reads only those that it needs."""
    try:
        return read_specs(work.life.tree).specs
    except LayoutError:  # no good orchestration.json just now
        return work.life.specs.now


def _place(work: Work) -> str:
    if work.life.place is not None and work.life.branch is None:
        return (
            "a copy of the project of your own: nobody else works in it. What you leave there is kept, and "
            "put together with what others did, when the task is done"
        )
    if work.life.place is not None:
        sort = "clone" if is_dir(work.life.paths.worktree / ".git") else "worktree"
        return (
            f"a {sort} of your own of the project, on branch {work.life.branch}: nobody else works in it. "
            "What you leave there is committed to that branch when the task is done; stay on it"
        )
    if work.life.project is not None and work.spec.cwd != "workspace":
        return f"the project's folder {work.life.project.name!r}, which all agents share"
    return "a folder of your own"


def _result(need: str, specs: Specs, value: Any) -> str:
    text = value if isinstance(value, str) else codec.encode(value).decode()
    if len(text) > _MOST_RESULT_CHARS:
        text = f"{text[:_MOST_RESULT_CHARS]}\n[... {len(text) - _MOST_RESULT_CHARS} characters left out ...]"
    owner = specs.tasks[need].agent if need in specs.tasks else "?"
    return f"<result task={quoteattr(need)} agent={quoteattr(owner)}>\n{text}\n</result>"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:200]
