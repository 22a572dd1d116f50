"""Says what the model is told when it plans. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from maos_sup.planner.proposal import COMMAND, Offer
from state_layout.files import codec

_RULES = """\
You plan the work of a team of agents. You are given a request and a look at the project it is about; \
you propose the agents and their tasks by calling {name}. You do none of the work yourself.

How the team works:
- Each agent is a process of its own with a language model and tools: it runs commands and edits files \
in the project's folder, which all of them share, and sends messages to the others while it works.
- A task begins when all tasks that it needs are done, and is given their results. Tasks that do not \
need each other run at the same time; the tasks of one agent run one after the other.
- An agent knows the request, its own task, the results of what the task needs, and the names of the \
others. It does not see the other tasks: write each description so that it stands by itself, with the \
files to make or change, the interfaces that others rely on, and how to know that it is done.

How to plan:
- As few agents as the request is worth, at most {most_agents}; a small request is one agent with one \
task. At most {most_tasks} tasks.
- Give agents that work at the same time different files. Where they depend on each other's decisions, \
say in their tasks what they are to tell each other by message, or let one task need the other.
- Have tests run and the whole reviewed at the end by an agent that made none of it, in a task that \
needs the others. In a git repository say who commits, and that the others do not.
- Do not plan what was not asked for: no deployment, no publishing, nothing outside the project.
{kinds}
Roles, as templates that an agent's instructions begin with:
{roles}"""
_COMMANDS = """\
- An agent of kind command runs a program instead of a model, unconfined; a person has to approve it. \
Propose one only if the request asks for a certain program to be run.
"""
_REPAIR = """\
You proposed this:

<proposal>
{proposal}
</proposal>

It cannot be used:

<errors>
{errors}
</errors>

Propose the whole plan again with these mended."""
_MOST_PROPOSAL_CHARS = 30_000


def system_prompt(offer: Offer, *, form: str) -> str:
    """Write the rules of planning."""
    roles = "\n".join(f"- {role.name}: {role.first_line}" for role in offer.roles.values())
    kinds = _COMMANDS if COMMAND in offer.kinds else ""
    return _RULES.format(
        name=form, most_agents=offer.most_agents, most_tasks=offer.most_tasks, kinds=kinds, roles=roles
    )


def first_prompt(request: str, *, survey: str, team: str = "") -> str:
    """Write the request and what it stands in; `team` is what is known of one that is there already."""
    parts = [f"<request>\n{request.strip()}\n</request>"]
    if team:
        parts.append(team)
    if survey:
        parts.append(f"<project>\n{survey}\n</project>")
    return "\n\n".join(parts)


def repair_prompt(prompt: str, *, proposal: object, errors: Sequence[str]) -> str:
    """Write `prompt` again, with what was proposed and what is wrong with it."""
    text = proposal if isinstance(proposal, str) else codec.encode(proposal).decode()
    told = "\n".join(f"- {error}" for error in errors)
    return f"{prompt}\n\n{_REPAIR.format(proposal=text[:_MOST_PROPOSAL_CHARS], errors=told)}"
