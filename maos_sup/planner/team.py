"""A team that is there already, and plans that add to it. Pure.

An addition may be added in part (whoever was killed), so what is there and says the same is no mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from state_layout.files import codec
from state_layout.shapes.shape import Fault
from state_layout.shapes.wording import shown
from state_layout.specs.tables import WORKSPACE

Tables = Mapping[str, Mapping[str, Any]]

NOT_ADDED = ("want", "limits", "intervals", "budget", "keep", "project", "files", "land", *WORKSPACE)
_MOST_RESULT_CHARS, _MOST_DISCOVERIES = 2_000, 40
_SAME = {"agents": ("kind", "role", "command", "model"), "tasks": ("agent", "description", "needs")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A team is the specs of an orchestration as they are written, and what is known of its work, in
    words."""

    agents: Tables
    tasks: Tables
    text: str = ""


def is_same(what: str, there: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    """A spec that is there says the same as `value`; `what` is agents or tasks."""
    return all((there.get(key) or None) == (value.get(key) or None) for key in _SAME[what])


def addition_faults(value: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield keys of a plan that mean nothing where the orchestration is there already."""
    for key in NOT_ADDED:
        if key in value:
            remedy = "leave it out; 'maos-sup set' changes the orchestration"
            yield Fault(at=(key,), text=f"{key!r} cannot be added to an orchestration; {remedy}")
    tasks = value.get("tasks")
    for index, task in enumerate(tasks if isinstance(tasks, list) else []):
        if isinstance(task, dict) and "attempts" in task:
            text = "several attempts cannot be added to an orchestration; begin one with them"
            yield Fault(at=("tasks", index, "attempts"), text=text)


def clash_problems(team: Team, agents: Tables, tasks: Tables) -> list[str]:
    """Names that are taken by something else."""
    problems = list[str]()
    for what, there, values in (("agents", team.agents, agents), ("tasks", team.tasks, tasks)):
        for name, value in values.items():
            if name in there and not is_same(what, there[name], value):
                one = what.removesuffix("s")
                remedy = "choose another name" + ("" if one == "task" else ", or give the task to that one")
                problems.append(f"{one} {shown(name)} is there already and is another; {remedy}")
    return problems


def team_text(status: Mapping[str, Any], roles: Mapping[str, str], discoveries: Sequence[str]) -> str:
    """Tell the model of a team: `status` as `status_of` gives it, `roles` by agent."""
    agents = [
        f"<agent name={quoteattr(agent['name'])} kind={quoteattr(str(agent['kind']))}>"
        f"{escape(roles.get(agent['name'], '').partition(chr(10))[0])}</agent>"
        for agent in status["agents"]
    ]
    told = "\n".join(f"- {escape(text)}" for text in discoveries[-_MOST_DISCOVERIES:])
    return "\n".join(
        [
            "The request is for a team that has been at work. This is what it was made for, who is in it,",
            "what was done and what was found:",
            f"<made-for>\n{escape(status['request'])}\n</made-for>",
            "<team>",
            *agents,
            "</team>",
            "<tasks>",
            *(_task_text(task) for task in status["tasks"]),
            "</tasks>",
            *([f"<discoveries>\n{told}\n</discoveries>"] if told else []),
            "",
            "Propose what is to be added: the new tasks, and new agents only where nobody there fits.",
            "Give tasks to agents that are there by their names, without listing those agents again. New",
            "tasks may need tasks that are there. Names of what you add must be new.",
        ]
    )


def _task_text(task: Mapping[str, Any]) -> str:
    needs = f" needs={quoteattr(', '.join(task['needs']))}" if task["needs"] else ""
    named = (("id", task["id"]), ("agent", task["agent"]), ("phase", str(task["phase"])))
    head = "<task " + " ".join(f"{key}={quoteattr(text)}" for key, text in named)
    parts = [escape(_cut(str(task["description"])))]
    if task["result"] is not None:
        result = task["result"]
        text = result if isinstance(result, str) else codec.encode(result).decode()
        parts.append(f"<result>{escape(_cut(text))}</result>")
    if task["error"]:
        parts.append(f"<error>{escape(_cut(str(task['error'])))}</error>")
    return f"{head}{needs}>" + "\n".join(parts) + "</task>"


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_RESULT_CHARS else f"{text[:_MOST_RESULT_CHARS]} [...]"
