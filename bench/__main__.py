"""Runs the measurements named (all by default), prints them and writes `bench/RESULTS.md`."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from bench import models, processes, reading, sends, steps, storage
from bench.figures import ROUNDS, Section

MEASUREMENTS: dict[str, Callable[[], list[Section]]] = {
    "sends": sends.measure,
    "steps": steps.measure,
    "storage": storage.measure,
    "reading": reading.measure,
    "processes": processes.measure,
    "models": models.measure,
}
_VERDICTS = {True: "met", False: "**missed**", None: ""}


def main(names: list[str]) -> int:
    """Measure; 2 for an unknown name."""
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        print(f"bench: unknown {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}", file=sys.stderr)
        return 2
    sections = []
    for name in names or MEASUREMENTS:
        for section in MEASUREMENTS[name]():
            print(text := as_markdown(section), flush=True)
            sections.append(text)
            if not names:
                Path("bench/RESULTS.md").write_text("\n".join([_head(), *sections]))
    return 0


def as_markdown(section: Section) -> str:
    """One table."""
    lines = [f"## {section.title}", "", section.note, "", "| | median (least to most) | ratio | target | |"]
    lines.append("|---|---|---|---|---|")
    for row in section.rows:
        lines.append(f"| {row.name} | {row.value} | {row.ratio} | {row.target} | {_VERDICTS[row.met]} |")
    return "\n".join([*lines, ""])


def _head() -> str:
    return (
        "# Figures\n\n"
        f"Written by `make bench`. Interleaved rounds ({ROUNDS}), medians; "
        "trust the ratios, machines are noisy.\n\n"
        f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}.\n"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
