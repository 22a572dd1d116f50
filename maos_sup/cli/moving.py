"""Something that moves on a terminal while a person waits for an answer of another."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from maos_sup.cli.says import say_aside

_EACH_S = 0.25


@contextmanager
def moving(what: str) -> Iterator[Callable[[int, int], None]]:
    """Say on stderr that `what` goes on, for the time of the block.

    A terminal shows it as a line that turns and counts seconds, gone afterwards; anything else gets one line.
    What is said meanwhile stands above it. The block may tell how much of how much is done.
    """
    say_aside(f"{what} ...")
    if not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        yield lambda done, of: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from maos_sup.views.files import printable

    columns = (SpinnerColumn("line"), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    console = Console(stderr=True, highlight=False)
    with Progress(*columns, console=console, transient=True, refresh_per_second=1 / _EACH_S) as progress:
        task = progress.add_task(printable(what), total=None)
        yield lambda done, of: progress.update(task, description=f"{printable(what)}: {done:,} of {of:,}")
