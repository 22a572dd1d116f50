"""Plans to begin with: files in `plan_templates/`, filled with what the project is.

In a template `{{name}}` stands for a value; the lines between `#:name` and `#:` are there if there is such
a value, those after `#:no-name` if there is none. Pure but for reading the template.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from maos_sup.planner.project_look import ClaudeAgent, Project
from maos_sup.planner.toml_text import quoted
from state_layout.errors import BadInput
from state_layout.paths import is_name
from state_layout.shapes.wording import closest, listed
from state_layout.specs.kinds import traits_of

_FOLDER = Path(__file__).parent / "plan_templates"
_VALUE = re.compile(r"\{\{(\w+)\}\}")
REQUESTS = {
    "claude-team": "Say here what the team is to do",
    "refactor": "Say here what to refactor, and what must not change",
    "repo-audit": "Audit this repository",
    "research": "Write your question here",
    "review": "Review what changed last in this project",
}
_MOST_DESCRIBED = 300  # characters of an agent's own description


def template_names() -> list[str]:
    """The names of all templates."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def first_line(name: str) -> str:
    """Say in one line what the template is for."""
    return _read(name).partition("\n")[0].partition(": ")[2]


def filled(name: str, project: Project, *, request: str | None, folder: str, file: str, kind: str) -> str:
    """Fill in the plan that the template `name` gives for `project`. Raises BadInput for an unknown name.

    `folder` is the project as the plan at `file` names it; `kind` is that of agents with a model.
    """
    template = _read(name)
    values = {
        "request": quoted(request or REQUESTS[name]),
        "project": quoted(folder),
        "file": file,
        "kind": quoted(kind),
        "shell_tool": traits_of(kind).shell_tool or "bash",
        "test": project.test,
        "claude_agents": "\n".join(_agent_lines(project.claude_agents)) or None,
    }
    lines = _chosen(template, values)
    return "".join(_VALUE.sub(lambda hit: str(values[hit[1]]), line) for line in lines)


def _read(name: str) -> str:
    path = _FOLDER / f"{name}.toml"
    if name not in template_names():
        names = template_names()
        raise BadInput(f"no template {name!r}; {closest(name, names) or 'use ' + listed(names, last='or')}")
    return path.read_text(encoding="utf-8")


def _chosen(text: str, values: Mapping[str, str | None]) -> Iterator[str]:
    """Yield the lines whose conditions hold; conditions may stand within others."""
    conditions = list[str]()
    for line in text.splitlines(keepends=True):
        if not line.startswith("#:"):
            if all(_holds(condition, values) for condition in conditions):
                yield line
            continue
        condition = line[2:].strip().replace("-", "_")
        if not condition or (conditions and condition == f"no_{conditions[-1]}"):
            conditions.pop()
        if condition:
            conditions.append(condition)


def _holds(condition: str, values: Mapping[str, str | None]) -> bool:
    name = condition.removeprefix("no_")
    return (values[name] is None) == (name != condition)


def _agent_lines(agents: tuple[ClaudeAgent, ...]) -> Iterator[str]:
    taken = set[str]()
    for agent in agents:
        name = _free_name(agent.name, taken)
        taken.add(name)
        what = f" You are here to: {agent.description[:_MOST_DESCRIBED]}" if agent.description else ""
        yield f"\n[agents.{name}]"
        yield 'kind = "claude"'
        yield f"agent = {quoted(agent.name)}"
        yield f"task = {quoted(f'Do your part of the request.{what}')}"


def _free_name(text: str, taken: set[str]) -> str:
    slug = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")[:56]
    slug = slug if is_name(slug) else f"agent-{slug}".rstrip("-")
    number = 1
    while (name := slug if number == 1 else f"{slug}-{number}") in taken:
        number += 1
    return name
