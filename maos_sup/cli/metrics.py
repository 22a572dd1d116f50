"""`metrics`: numbers for Prometheus, as a text that node_exporter picks up."""

from __future__ import annotations

import time
from pathlib import Path

import click

from maos_sup.cli.output_files import write_output
from maos_sup.cli.places import all_trees, name_of, trees_at
from maos_sup.cli.says import say_aside, say_exactly
from maos_sup.projection.cost_reader import CostReader
from maos_sup.projection.reading import Reading
from state_layout.errors import LayoutError


@click.command("metrics")
@click.argument("directories", metavar="[DIR|ID]...", nargs=-1)
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Put it there at once.")
def command(directories: tuple[str, ...], *, output: Path | None) -> None:
    """Print metrics of the orchestrations of the home, or of these, in the text format of Prometheus.

    With -o FILE.prom the file is replaced whole and may be read by all, as node_exporter wants it.
    """
    from maos_sup.metrics.exposition import exposed
    from maos_sup.metrics.families import families_of
    from maos_sup.metrics.gathering import figures_of

    found = []
    for tree in trees_at(directories) or all_trees():
        reading = Reading(tree)
        try:
            status, now_s = reading.status(), time.time()
            costs = CostReader(reading).costs(status, now_s=now_s)
            found.append(figures_of(reading, status, costs, now_s=now_s))
        except LayoutError as trouble:
            say_aside(f"{name_of(tree)}: left out: {trouble}")
    text = exposed(families_of(found))
    if output is None:
        say_exactly(text.decode().rstrip("\n"))
        return
    write_output(output, text)
    output.chmod(0o644)
