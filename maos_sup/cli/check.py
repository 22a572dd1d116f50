"""`check`: what is wrong with a tree, and what is safe to mend."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from maos_sup.cli import edge, options
from maos_sup.cli.places import tree_or_default
from maos_sup.cli.says import say, say_json
from state_layout.check import Problem, check, repair


@click.command("check")
@options.directory_or_default
@click.option(
    "--repair", "repairs", is_flag=True, help="Mend what is safe to mend; what is set aside is kept."
)
@options.as_json
def command(directory: str | None, *, repairs: bool, as_json: bool) -> int:
    """Examine a tree: each problem, why it matters, what to do. Exit code 12 if a record is damaged."""
    tree = tree_or_default(directory)
    problems = check(tree)
    if repairs and problems:
        repair(tree, problems)
        problems = check(tree)
    if as_json:
        say_json({"directory": str(tree.root), "problems": [_plain(asdict(problem)) for problem in problems]})
    elif problems:
        say("\n".join(_line(problem) for problem in problems))
    else:
        say(f"{tree.root}: nothing is wrong")
    return edge.DAMAGED if any(str(problem.severity) == "error" for problem in problems) else edge.OK


def _line(problem: Problem) -> str:
    where = f"{problem.path}:{problem.line}" if problem.line else f"{problem.path}"
    mending = " (--repair does it)" if problem.repairable else ""
    return f"{problem.severity}: {where}: {problem.what}; {problem.remedy}{mending}"


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    return {key: str(item) if isinstance(item, Path) else item for key, item in value.items()}
