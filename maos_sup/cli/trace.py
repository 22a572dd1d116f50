"""`trace`: send what was recorded to an OpenTelemetry collector, as spans."""

from __future__ import annotations

import os
import time

import click

from maos_sup.cli import options
from maos_sup.cli.places import name_of, tree_or_default
from maos_sup.cli.report import redactor_of
from maos_sup.cli.says import say
from maos_sup.projection.reading import Reading
from maos_sup.traces.names import VERSIONS
from maos_sup.traces.sending import Exporter
from maos_sup.traces.settings import manner_of
from maos_sup.views.events import counted
from state_layout.specs import read_specs

_LOOK_S = 2.0


@click.command("trace")
@options.directory_or_default
@click.option(
    "--to", "url", metavar="URL", help="The collector; else that of [otel], or OTEL_EXPORTER_OTLP_ENDPOINT."
)
@click.option("--names", type=options.Word([*VERSIONS]), help="The version of the GenAI conventions.")
@click.option(
    "--content/--no-content",
    "content",
    default=None,
    help="Also what models were told and said, and what tools were given and gave.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on until nobody works any more.")
def command(
    directory: str | None, *, url: str | None, names: str | None, content: bool | None, follow: bool
) -> None:
    """Send the spans of an orchestration by OTLP over HTTP: attempts, tasks, answers, tools, mail as links.

    Ids are hashes of records: sent again, they are the same. No text of agents is sent unless --content,
    or OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT, asks for it; secrets are left out then.
    """
    tree = tree_or_default(directory)
    wish = read_specs(tree).specs.orchestration.otel
    manner = manner_of(os.environ, wish, url=url, names=names, content=content)
    exporter = Exporter(Reading(tree, redact=redactor_of(tree)), manner)
    count = exporter.export()
    while follow and not exporter.is_over():
        time.sleep(_LOOK_S)
        count += exporter.export()
    if follow:
        count += exporter.export()  # what ended since the last look
    say(f"{name_of(tree)}: sent {counted(count, 'span')}")
