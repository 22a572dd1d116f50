"""`trace`: send what was recorded to an OpenTelemetry collector, as spans."""

from __future__ import annotations

import os
import time
from urllib.parse import unquote

import click

from maos_sup.cli import options
from maos_sup.cli.places import name_of, tree_or_default
from maos_sup.cli.says import say
from maos_sup.projection.reading import Reading
from maos_sup.traces.names import VERSIONS, names_of
from maos_sup.traces.otlp import EXAMPLE
from maos_sup.traces.sending import Collector, Exporter
from maos_sup.views.events import counted
from state_layout.errors import BadInput

_LOOK_S = 2.0


@click.command("trace")
@options.directory_or_default
@click.option("--to", "url", metavar="URL", help="The collector; else OTEL_EXPORTER_OTLP_ENDPOINT.")
@click.option("--names", type=options.Word([*VERSIONS]), help="The version of the GenAI conventions.")
@click.option("-f", "--follow", is_flag=True, help="Go on until nobody works any more.")
def command(directory: str | None, *, url: str | None, names: str | None, follow: bool) -> None:
    """Send the spans of an orchestration by OTLP over HTTP: attempts, tasks, answers, tools, mail as links.

    Ids are hashes of records: sent again, they are the same spans. No text of agents is sent.
    """
    tree = tree_or_default(directory)
    chosen = names_of(names, os.environ.get("OTEL_SEMCONV_STABILITY_OPT_IN", ""))
    exporter = Exporter(Reading(tree), _collector(url), chosen)
    count = exporter.export()
    while follow and not exporter.is_over():
        time.sleep(_LOOK_S)
        count += exporter.export()
    if follow:
        count += exporter.export()
    say(f"{name_of(tree)}: sent {counted(count, 'span')}")


def _collector(url: str | None) -> Collector:
    """Where to send, by `url` and the variables that every exporter obeys."""
    environment = os.environ
    given = url or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") or EXAMPLE
    place = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") if url is None else None
    place = place or f"{given.rstrip('/').removesuffix('/v1/traces')}/v1/traces"
    if not place.startswith(("http://", "https://")):
        raise BadInput(f"--to is {place!r}; use a URL like {EXAMPLE}")
    told = environment.get("OTEL_EXPORTER_OTLP_HEADERS", "")
    pairs = (pair.partition("=") for pair in told.split(",") if "=" in pair)
    headers = {key.strip(): unquote(value.strip()) for key, _, value in pairs}
    return Collector(url=place, headers=headers, service=environment.get("OTEL_SERVICE_NAME") or "maos-sup")
