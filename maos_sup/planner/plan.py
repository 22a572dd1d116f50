"""Plan files: everything that is wrong with one, or what a tree is made of.

Nothing is written before a plan is found good; `build_tree` then makes the tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from maos_sup.planner.collect import Collection
from maos_sup.planner.document import Document, read_document
from maos_sup.planner.schema import Kinds, plan_schema, plan_shape
from maos_sup.planner.team import Team, addition_faults, clash_problems
from state_layout.errors import BadInput
from state_layout.files.reading import is_folder, is_there, real, refuse_unseen
from state_layout.paths import Tree
from state_layout.records import Budget, Intervals, Limits
from state_layout.shapes.shape import At, Fault
from state_layout.shapes.wording import listed, shown
from state_layout.specs.files import encoded_spec
from state_layout.specs.links import Link, circle_faults, circles, link_faults
from state_layout.specs.placement import PLACEMENT
from state_layout.specs.tables import WORKSPACE
from state_layout.tree import relative_project
from state_layout.tree.making import create_tree

__all__ = ["Plan", "build_tree", "load_plan", "plan_schema"]

Table = Mapping[str, Any]  # people's: its keys are those of `plan_shape`, free where a kind's settings are
SpecTables = dict[str, Table]  # by name or id


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan is what a tree is made of: spec objects as they are written, and files by their path in
    `spec/files`.

    `orchestration` lacks `id` and `project`, which depend on where the tree will be.
    """

    path: Path
    orchestration: Table
    agents: SpecTables
    tasks: SpecTables
    files: dict[str, Path]
    project: Path | None  # absolute
    listed: tuple[str, ...] = ()  # the ids of the tasks in its list, in that order


def load_plan(
    path: Path | str, *, kinds: Kinds, project: Path | None = None, team: Team | None = None
) -> Plan:
    """Read the plan at `path` (TOML or JSON) whose agents are of these `kinds` (name -> settings).

    `project` replaces the plan's. With `team` it is an addition to that one: it may have no agents of its
    own and refer to those. Raises BadInput with every mistake, each with file and line.
    """
    document = read_document(Path(path))
    value = document.value
    faults = [*plan_shape(kinds, is_addition=team is not None).faults(value)]
    folder = real(document.path).parent
    target, project_faults = _project(value, folder, project)
    collection = Collection(folder=folder, project=target)
    collection.add_agents(_table(value, "agents"), kinds)
    collection.add_patterns(value.get("files"))
    collection.check_size()
    entries = [*_task_entries(value)]
    faults += [*project_faults, *collection.faults, *_task_faults(value, entries, team)]
    if target is None and not project_faults:
        faults += _homeless_agents(value)
    problems = document.problems(faults)
    plan = _plan(document, entries, collection, target) if not problems else None
    if plan is not None:
        problems = document.problems(_size_faults(plan, {entry.id: entry.at for entry in entries}))
    if plan is not None and team is not None and not problems:
        problems = [f"{path}: {problem}" for problem in clash_problems(team, plan.agents, plan.tasks)]
    if plan is None or problems:
        raise BadInput(*problems)
    return plan


def build_tree(plan: Plan, root: Path, *, id: str | None = None) -> Tree:
    """Make the tree of `plan` at `root`, durably; `id` is the folder's name unless given.

    Raises BadInput, Locked and StorageError as `create_tree` does.
    """
    root = real(root)
    project = relative_project(root, plan.project) if plan.project is not None else {}
    first = {"id": id or root.name, "request": plan.orchestration["request"], "want": "run"}
    orchestration = {**first, **project, **plan.orchestration}
    return create_tree(
        root, orchestration=orchestration, agents=plan.agents, tasks=plan.tasks, files=plan.files
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """An entry is a task of the plan as far as it can be made out, and where it stands."""

    id: str
    at: At
    link: Link | None
    value: Table


def _task_entries(value: Table) -> Iterator[_Entry]:
    for name, agent in _table(value, "agents").items():
        if isinstance(agent, dict) and isinstance(agent.get("task"), str):
            entry = {"agent": name, "description": agent["task"]}
            yield _Entry(id=name, at=("agents", name, "task"), link=Link(agent=name), value=entry)
    tasks = value.get("tasks")
    for index, task in enumerate(tasks if isinstance(tasks, list) else []):
        if isinstance(task, dict) and isinstance(task.get("id"), str):
            yield _Entry(id=task["id"], at=("tasks", index), link=_link(task), value=task)


def _link(task: Table) -> Link | None:
    """Make out what the task refers to, None if that cannot be done (a fault of its shape says why)."""
    agent, needs = task.get("agent"), task.get("needs", [])
    if not isinstance(agent, str) or not isinstance(needs, list):
        return None
    return Link(agent=agent, needs=[need for need in needs if isinstance(need, str)])


def _task_faults(value: Table, entries: list[_Entry], team: Team | None) -> Iterator[Fault]:
    first = dict[str, _Entry]()
    for entry in entries:
        if entry.id in first:
            yield _repeated(entry, first[entry.id])
        first.setdefault(entry.id, entry)
    links = {id_: entry.link or Link(agent=None) for id_, entry in first.items()}
    agents, there = {*_table(value, "agents")}, dict[str, Link]()
    if team is not None:
        yield from addition_faults(value)
        agents, there = agents | {*team.agents}, {id_: Link(agent=None) for id_ in team.tasks}
    yield from _budget_faults(_table(value, "agents"), agents)
    for fault in link_faults(agents, {**there, **links}):
        at = first[fault.task].at
        yield Fault(at=(*at, *fault.at), text=f"task {fault.task!r}: {fault.text}")
    for circle in circles(links):
        fault = circle_faults(circle, links)[0]
        yield Fault(at=(*first[fault.task].at, *fault.at), text=f"task {fault.task!r}: {fault.text}")
    if all(_can_be_made_out(task) for task in _tasks_given(value)):  # else whose it is is not known
        yield from _idle_agents(value, {link.agent for link in links.values()})


def _budget_faults(given: Mapping[str, object], agents: Set[str]) -> Iterator[Fault]:
    """Yield who is to have the budget of an agent that is none, or that has its own from another one."""
    for name, agent in given.items():
        holder = agent.get("budget_of") if isinstance(agent, dict) else None
        if not isinstance(holder, str):
            continue
        theirs = given.get(holder)
        if holder not in agents:
            others = sorted(each for each in agents if each != name)
            why = f"which is no agent; {'use ' + listed(others[:8], last='or') if others else 'leave it out'}"
        elif holder == name:
            why = "which is itself; leave it out"
        elif isinstance(theirs, dict) and "budget_of" in theirs:
            why = f"which has its budget of {theirs['budget_of']!r}; name the one whose budget it is"
        else:
            continue
        text = f"agent {name!r}: 'budget_of' is {holder!r}, {why}"
        yield Fault(at=("agents", name, "budget_of"), text=text)


def _tasks_given(value: Table) -> list[Any]:
    tasks = value.get("tasks", [])
    return tasks if isinstance(tasks, list) else [tasks]


def _can_be_made_out(task: Any) -> bool:
    return isinstance(task, dict) and isinstance(task.get("id"), str) and _link(task) is not None


def _repeated(entry: _Entry, first: _Entry) -> Fault:
    if first.at[0] == "agents":
        why = f"agent {first.id!r} has a task of that name by its key 'task'; remove one"
    else:
        why = "another task has it; choose another"
    return Fault(at=(*entry.at, "id"), text=f"'tasks[{entry.at[1]}].id' is {shown(entry.id)}, but {why}")


def _idle_agents(value: Table, busy: set[str | None]) -> Iterator[Fault]:
    for name, agent in _table(value, "agents").items():
        if isinstance(agent, dict) and name not in busy and "task" not in agent:
            text = f"agent {name!r} has no task; add task = '...' or a [[tasks]] entry with agent = {name!r}"
            yield Fault(at=("agents", name), text=text)


def _homeless_agents(value: Table) -> Iterator[Fault]:
    for name, agent in _table(value, "agents").items():
        if isinstance(agent, dict) and agent.get("cwd") == "project" and not value.get("project"):
            text = f"'agents.{name}.cwd' is 'project', and there is none; add project = '.' or use workspace"
            yield Fault(at=("agents", name, "cwd"), text=text)


def _project(value: Table, folder: Path, override: Path | None) -> tuple[Path | None, list[Fault]]:
    """Find the folder to work on, absolute."""
    if override is not None:
        if not is_folder(real(override)):
            refuse_unseen(real(override))
            raise BadInput(f"--project is {str(override)!r}, which is no folder; name one that is there")
        return real(override), []
    given = value.get("project")
    if not isinstance(given, str) or not given.strip() or "\0" in given:
        return None, []  # its shape says so
    target = real(given) if given.startswith("~") else real(folder / given)
    if is_folder(target):
        return target, []
    why = "is no folder" if is_there(target) else "is not there"
    text = f"'project' is {shown(given)}, which {why}; use the path of a folder, relative to the plan"
    return None, [Fault(at=("project",), text=text)]


def _plan(document: Document, entries: list[_Entry], collection: Collection, project: Path | None) -> Plan:
    value = document.value
    orchestration = {
        "request": value["request"],
        "want": value.get("want", "run"),
        "limits": {**asdict(Limits()), **_table(value, "limits")},
        "intervals": {**asdict(Intervals()), **_table(value, "intervals")},
        "budget": {**asdict(Budget()), **_table(value, "budget")},
        **({"notify": value["notify"]} if "notify" in value else {}),
        **{
            key: value[key]
            for key in ("otel", "keep", "hooks", "land", *WORKSPACE, *PLACEMENT)
            if key in value
        },
    }
    return Plan(
        path=document.path,
        orchestration=orchestration,
        agents={name: _agent_spec(agent) for name, agent in _table(value, "agents").items()},
        tasks={entry.id: _task_spec(entry.value, order) for order, entry in enumerate(entries, start=1)},
        files=collection.files,
        project=project,
        listed=tuple(entry.id for entry in entries if entry.at[0] == "tasks"),
    )


def _size_faults(plan: Plan, places: Mapping[str, At]) -> Iterator[Fault]:
    """Yield what is good, and more than a spec file may hold: it would be refused when it is read."""
    specs: list[tuple[At, str, Table]] = [((), "the plan without its agents and tasks", plan.orchestration)]
    specs += [(("agents", name), f"agent {name!r}", spec) for name, spec in plan.agents.items()]
    specs += [(places[id_], f"task {id_!r}", spec) for id_, spec in plan.tasks.items()]
    for at, what, spec in specs:
        try:
            encoded_spec(spec)
        except BadInput as cause:
            yield Fault(at=at, text=f"{what} {cause}")


def _agent_spec(agent: Mapping[str, Any]) -> Table:
    """Make the agent as its spec file has it; `want` is written out for those who will edit it."""
    first = {"kind": agent["kind"], "role": agent.get("role", ""), "want": agent.get("want", "run")}
    return {**first, **{key: item for key, item in agent.items() if key != "task"}}


def _task_spec(task: Mapping[str, Any], order: int) -> Table:
    spec = {"agent": "", "description": "", "needs": [], "want": "run", "run": 1}
    return {**spec, **{key: item for key, item in task.items() if key != "id"}, "order": order}


def _table(value: Mapping[str, Any], key: str) -> Table:
    found = value.get(key)
    return found if isinstance(found, dict) else {}
