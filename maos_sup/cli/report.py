"""`report`: one file that tells a run, for a mail or a pull request."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from maos_sup.agents.secrets.redaction import Redactor, spec_variables
from maos_sup.cli import options
from maos_sup.cli.output_files import write_output
from maos_sup.cli.places import tree_or_default, word_of
from maos_sup.cli.says import say, say_exactly
from maos_sup.projection.reading import Reading, Redact
from maos_sup.report.making import report_of
from maos_sup.views.money import bytes_text
from state_layout.paths import Tree


@click.command("report")
@options.directory_or_default
@click.option("-o", "--output", metavar="FILE", help="Where to write it; - is standard output.")
@click.option("--md", "is_markdown", is_flag=True, help="Markdown, for a pull request, in place of HTML.")
def command(directory: str | None, *, output: str | None, is_markdown: bool) -> None:
    """Write a report: what was asked, what came of it, timeline, graph, results, money, what failed and why.

    One file of less than 2 MB that needs no network and no script. Secrets are left out. Without -o it is
    ID.html (or ID.md) in the current folder.
    """
    tree = tree_or_default(directory)
    text = report_of(
        Reading(tree, redact=redactor_of(tree)),
        name=word_of(tree),
        now_s=time.time(),
        is_markdown=is_markdown,
    )
    if output == "-":
        say_exactly(text.rstrip("\n"))
        return
    path = Path(output or f"{tree.root.name}.{'md' if is_markdown else 'html'}")
    data = text.encode()
    write_output(path, data)
    say(f"{path}: {bytes_text(len(data))}")


def redactor_of(tree: Tree) -> Redact:
    """Make what takes secrets out of values: those of this environment, and of what agents' specs set."""
    known = dict(os.environ)
    for spec in sorted(tree.agent_specs.glob("*.json")):
        known |= {f"{name}_{spec.stem}": value for name, value in spec_variables(tree, spec.stem).items()}
    redactor = Redactor(known)
    return lambda value: redactor.record(value) if isinstance(value, dict) else redactor.value(value)
