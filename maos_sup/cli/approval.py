"""A plan that a model made is shown, and runs only when somebody says yes: here, or before, by `--yes`."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from maos_sup.cli.places import user_roles
from maos_sup.cli.says import say_aside
from maos_sup.planner.plan import Plan
from maos_sup.planner.roles import read_roles, role_folders
from maos_sup.views.planned import command_agents, planned_lines
from state_layout.errors import BadInput
from state_layout.files.reading import read_foreign

Load = Callable[[Path], Plan]  # raises BadInput with every mistake
_QUESTION = "run it? [y]es, [v]iew, [e]dit, [n]o: "
_STYLES = {"heading": "bold", "warning": "bold red"}
_AGAIN = "[v]iew, [e]dit again, [n]o: "


class PlanRefused(Exception):
    """Somebody said no."""


def approved(plan: Plan, *, load: Load, yes: bool, allows_commands: bool) -> Plan:
    """`plan`, or what was made of it in an editor and read by `load`, once it is approved.

    Raises Refused, and BadInput where nobody can be asked; the plan then stays where it is.
    """
    show(plan)
    if yes:
        _refuse_commands(plan, allows_commands=allows_commands)
        return plan
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise BadInput(
            f"this is no terminal, so nobody can approve the plan; it is saved: read {plan.path}, "
            "then give the same command with --yes"
        )
    return _asked(plan, load)


def show(plan: Plan) -> None:
    """Show `plan` on stderr."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False)
    width = shutil.get_terminal_size((100, 24)).columns
    for line in planned_lines(
        plan.agents, plan.tasks, width=max(60, width), templates=_templates(), limits=_own_limits(plan)
    ):
        console.print(Text(line.text, _STYLES.get(line.style, "")), soft_wrap=True)
    console.print(Text(f"\n{_caps_text(plan)}"), soft_wrap=True)


def _templates() -> list[str]:
    """List the texts of the role templates that planned agents begin with."""
    return [role.text for role in read_roles(role_folders(project=None, user=user_roles())).values()]


def _own_limits(plan: Plan) -> dict[str, object]:
    """The limits that the plan sets itself."""
    limits = plan.orchestration.get("limits") or {}
    return {key: limits[key] for key in ("max_agents", "timeout_s") if limits.get(key) is not None}


def _caps_text(plan: Plan) -> str:
    """Say in words what all agents may spend."""
    cost, tokens = (plan.orchestration["budget"][key] for key in ("max_cost_usd", "max_tokens"))
    told = [f"{cost:g} USD"] if cost is not None else []
    told += [f"{tokens} tokens"] if tokens is not None else []
    return (
        f"may spend {' and '.join(told)}"
        if told
        else "may spend without end; max_cost_usd under [budget] sets one"
    )


def _refuse_commands(plan: Plan, *, allows_commands: bool) -> None:
    commands = command_agents(plan.agents)
    if commands and not allows_commands:
        raise BadInput(
            f"the plan has programs to run ({', '.join(commands)}), which --yes alone does not approve: read "
            f"{plan.path}, then add --allow-commands"
        )


def _asked(plan: Plan, load: Load) -> Plan:
    good: Plan | None = plan
    while True:
        answer = _answer(_QUESTION if good is not None else _AGAIN)
        if answer in ("n", "no"):
            raise PlanRefused
        if answer in ("y", "yes") and good is not None:
            return good
        if answer in ("v", "view"):
            _view(plan.path)
        if answer in ("e", "edit"):
            good = _edited(plan.path, load)


def _edited(path: Path, load: Load) -> Plan | None:
    """The plan after it was edited; None if what was edited is no valid plan; its problems were printed."""
    _edit(path)
    try:
        plan = load(path)
    except BadInput as refused:
        for problem in refused.problems:
            say_aside(problem)
        return None
    show(plan)
    return plan


def _view(path: Path) -> None:
    """The whole plan as it is written, on stderr."""
    try:
        say_aside(read_foreign(path).decode("utf-8", "replace").rstrip())
    except OSError as cause:
        say_aside(f"{path}: cannot be read: {cause.strerror}")


def _edit(path: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        code = subprocess.call([*shlex.split(editor), str(path)])
    except (OSError, ValueError) as cause:
        say_aside(f"the editor {editor!r} cannot be started: {cause}; set EDITOR, or edit {path} yourself")
        return
    if code:
        say_aside(f"the editor {editor!r} ended with exit code {code}")


def _answer(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:  # the terminal is gone: no answer is no yes, and no refusal either
        raise KeyboardInterrupt
    return line.strip().lower()
