"""`check`: what is wrong with a tree, and what is safe to mend."""

from __future__ import annotations

import click

from maos_sup.agents.kind import kind_shapes
from maos_sup.cli import edge, options
from maos_sup.cli.places import tree_or_default
from maos_sup.cli.says import say, say_aside, say_json
from maos_sup.cli.secrecy import look_for_secrets
from state_layout.check import OF_PEOPLE, Problem, Severity, check
from state_layout.check.repair import repair


@click.command("check")
@options.directory_or_default
@click.option(
    "--repair", "repairs", is_flag=True, help="Mend what is safe to mend; what is set aside is kept."
)
@click.option(
    "--secrets", "for_secrets", is_flag=True, help="Look for secrets in all files instead. Shows none."
)
@options.as_json
def command(directory: str | None, *, repairs: bool, for_secrets: bool, as_json: bool) -> int:
    """Examine a tree: each problem, why it matters, what to do.

    Exit code 12 if a record is damaged, 2 if only spec/ has mistakes; with --secrets 13 if there is one.
    """
    tree = tree_or_default(directory)
    if for_secrets:
        if repairs:
            raise click.UsageError("--secrets repairs nothing; leave --repair out")
        return look_for_secrets(tree, as_json=as_json)
    kinds = kind_shapes(say_aside)
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
    return _code(problems)


def _code(problems: list[Problem]) -> int:
    """What a person wrote and can mend is wrong usage; only what was recorded can be damaged."""
    found = {problem.finding for problem in problems if problem.severity is Severity.PROBLEM}
    if not found:
        return edge.OK
    return edge.USAGE if found <= OF_PEOPLE else edge.DAMAGED


def _line(problem: Problem) -> str:
    mending = " (--repair does it)" if problem.is_repairable and "--repair" not in problem.remedy else ""
    return f"{problem.severity}: {problem}{mending}"
