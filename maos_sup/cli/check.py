"""`check`: what is wrong with a tree, and what is safe to mend."""

from __future__ import annotations

import click

from maos_sup.agents.kind import kind_shapes
from maos_sup.cli import edge, options
from maos_sup.cli.places import tree_or_default
from maos_sup.cli.says import say, say_json
from state_layout.check import Problem, Severity, check
from state_layout.check.repair import repair


@click.command("check")
@options.directory_or_default
@click.option(
    "--repair", "repairs", is_flag=True, help="Mend what is safe to mend; what is set aside is kept."
)
@options.as_json
def command(directory: str | None, *, repairs: bool, as_json: bool) -> int:
    """Examine a tree: each problem, why it matters, what to do. Exit code 12 if a record is damaged."""
    tree = tree_or_default(directory)
    kinds = kind_shapes()
    problems = check(tree, kinds=kinds)
    done = repair(tree, problems, kinds=kinds) if repairs else []
    if done:
        problems = check(tree, kinds=kinds)
    if as_json:
        found = [problem.to_json() for problem in problems]
        say_json({"directory": str(tree.root), "repaired": [str(line) for line in done], "problems": found})
    else:
        lines = [*(f"repaired: {line}" for line in done), *map(_line, problems)]
        say("\n".join(lines) or f"{tree.root}: nothing is wrong")
    return edge.DAMAGED if any(problem.severity is Severity.PROBLEM for problem in problems) else edge.OK


def _line(problem: Problem) -> str:
    mending = " (--repair does it)" if problem.is_repairable and "--repair" not in problem.remedy else ""
    return f"{problem.severity}: {problem}{mending}"
