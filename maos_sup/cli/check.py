"""`check`: what is wrong with a tree, and what is safe to mend."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

import click

from maos_sup.agents.lacking import mode_problems
from maos_sup.agents.registry import KindsInUse
from maos_sup.agents.sessions import session_problems
from maos_sup.cli import edge, options
from maos_sup.cli.places import tree_or_default
from maos_sup.cli.says import say, say_aside, say_json
from maos_sup.workspaces.checking import content_problems
from state_layout.check import Problem, Severity, accept, check, is_of_people
from state_layout.check.scene import Scene
from state_layout.errors import LayoutError
from state_layout.paths import Tree
from state_layout.records import Specs
from state_layout.specs import Kinds, read_specs
from state_layout.witness import Witness

if TYPE_CHECKING:
    from state_layout.check.repair import Repair

_MOST_OF_A_KIND = 3  # notes; problems are all shown


@click.command("check")
@options.directory_or_default
@click.option(
    "--repair", "repairs", is_flag=True, help="Mend what is safe to mend; what is set aside is kept."
)
@click.option(
    "--secrets", "for_secrets", is_flag=True, help="Look for secrets in all files instead. Shows none."
)
@click.option(
    "--accept", "accepts", is_flag=True, help="Record that you stand by the problems, until a further edit."
)
@click.option("--by", default=None, metavar="NAME", help="Who stands by them; default: your login name.")
@click.option(
    "--shared", default=None, metavar="FOLDER", help="Try instead what a shared folder promises across hosts."
)
@click.option("--hosts", default=None, metavar="A,B", help="With --shared: from these nodes, by srun.")
@options.as_json
def command(
    directory: str | None,
    *,
    repairs: bool,
    for_secrets: bool,
    accepts: bool,
    by: str | None,
    shared: str | None,
    hosts: str | None,
    as_json: bool,
) -> int:
    """Examine a tree: each problem, why it matters, what to do.

    Exit code 12 if a record is damaged, 2 if only spec/ has mistakes; with --secrets 13 if there is one, with
    --shared 14 if the folder cannot carry agents on several machines.
    """
    if shared is not None:
        from maos_sup.cli.shared_folder import check_shared  # only where it is asked for

        return check_shared(shared, hosts=hosts, as_json=as_json)
    if hosts is not None:
        raise click.UsageError("--hosts says from where --shared is tried; add --shared FOLDER")
    tree = tree_or_default(directory)
    if for_secrets:
        if repairs:
            raise click.UsageError("--secrets repairs nothing; leave --repair out")
        if accepts:
            raise click.UsageError("--secrets records nothing; leave --accept out")
        from maos_sup.cli.secrecy import look_for_secrets  # it knows plans and kinds of secrets

        return look_for_secrets(tree, as_json=as_json)
    kinds = KindsInUse(say_aside)
    problems = check(tree, kinds=kinds)
    done = _repair(tree, problems, kinds=kinds) if repairs else []
    problems = check(tree, kinds=kinds) if done else problems
    taken = accept(tree, problems, by=by or _login()) if accepts else []
    problems = check(tree, kinds=kinds) if taken else problems
    _tell_witness(tree, problems)
    specs = _specs(tree)
    more = (session_problems(tree, specs), mode_problems(tree, specs), content_problems(tree))
    problems = [*problems, *chain.from_iterable(more)]
    if as_json:
        found = [problem.to_json() for problem in problems]
        told = {"directory": str(tree.root), "repaired": [str(line) for line in done], "problems": found}
        say_json({**told, "accepted": [problem.to_json() for problem in taken]})
    else:
        lines = [*(f"repaired: {line}" for line in done), *_lines(problems), *_lines_of_copy(tree, specs)]
        say("\n".join(lines) or f"{tree.root}: nothing is wrong")
    return _code(problems)


def _repair(tree: Tree, problems: list[Problem], *, kinds: Kinds) -> list[Repair]:
    from state_layout.check.repair import repair

    return repair(tree, problems, kinds=kinds)


def _login() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return f"user {os.getuid()}"


def _tell_witness(tree: Tree, problems: list[Problem]) -> None:
    """Let the witness remember a whole tree; what is not whole must not be taken for the truth."""
    witness = Witness.named(tree)
    if witness is not None and not any(problem.severity is Severity.PROBLEM for problem in problems):
        witness.note()


def _code(problems: list[Problem]) -> int:
    """Choose the exit code: what people wrote and can mend is wrong usage; only records can be damaged."""
    found = [problem for problem in problems if problem.severity is Severity.PROBLEM]
    if not found:
        return edge.OK
    return edge.USAGE if all(map(is_of_people, found)) else edge.DAMAGED


def _lines(problems: list[Problem]) -> Iterator[str]:
    """Write a line for each problem; notes of one kind beyond a few are counted."""
    counts = Counter[object]()
    for problem in problems:
        kind: object = problem.finding if problem.severity is Severity.NOTE else problem
        counts[kind] += 1
        if counts[kind] <= _MOST_OF_A_KIND:
            yield _line(problem)
    for kind, count in counts.items():
        if count > _MOST_OF_A_KIND:
            yield f"note: and {count - _MOST_OF_A_KIND} more of the kind {str(kind)!r} (--json has all)"


def _specs(tree: Tree) -> Specs | None:
    with suppress(LayoutError):  # told by `check`
        return read_specs(tree).specs
    return None


def _lines_of_copy(tree: Tree, specs: Specs | None) -> Iterator[str]:
    """Say what `resume` would put right here, if this is a copy that was taken while it was written to."""
    with suppress(LayoutError):
        if Scene(tree).is_copy:
            from maos_sup.cuts.copies import mending_of  # most trees are none

            for note in mending_of(tree, specs or read_specs(tree).specs).notes():
                yield f"note: at the next resume {note}"


def _line(problem: Problem) -> str:
    mending = " (--repair does it)" if problem.is_repairable and "--repair" not in problem.remedy else ""
    return f"{problem.severity}: {problem}{mending}"
