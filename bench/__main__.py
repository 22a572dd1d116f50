"""`python -m bench [PART...]`: measures the parts named (all by default), prints them, writes the report.

`bench/RESULTS.md` and the chart are written after each part of a whole run; a quick run writes
`.bench-quick/` instead. Each part runs in its own process, so none can stop the others.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from pathlib import Path

from bench.chart import NAME as CHART
from bench.chart import chart
from bench.figures import QUICK, Section
from bench.machine import load_text
from bench.parts import answer_part, run_part
from bench.peers import install
from bench.report import as_markdown, report

PARTS = {
    "sends": "bench.sends",
    "costs": "bench.costs",
    "steps": "bench.steps",
    "storage": "bench.storage",
    "reading": "bench.reading",
    "mirrors": "bench.mirrors",
    "backups": "bench.backups",
    "large": "bench.large",
    "starting": "bench.starting",
    "terminal": "bench.terminal",
    "page": "bench.page",
    "processes": "bench.processes",
    "memory": "bench.memory",
    "supervision": "bench.peers.supervision",
    "models": "bench.models",
    "undo": "bench.undo",
    "state": "bench.shared_state",
    "workspaces": "bench.workspaces",
    "bus": "bench.bus",
    "growth": "bench.growth",
    "slurm": "bench.slurm",
}


def main(arguments: list[str]) -> int:
    """Measure; 2 for an unknown part, 3 if a part could not be measured."""
    if arguments[:1] == ["--part"]:
        _, name, answer = arguments
        return answer_part(name, lambda: _measure(name), Path(answer))
    unknown = [name for name in arguments if name not in PARTS]
    if unknown:
        print(f"bench: unknown {', '.join(unknown)}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    load, began_s = load_text(), time.monotonic()
    os.environ.setdefault("BENCH_IDLE_S", "3" if QUICK else "30")
    for name, why in install.install_all():
        print(f"bench: {name} is not installed: {why}", file=sys.stderr)
    sections: list[Section] = []
    for name in arguments or PARTS:
        print(f"bench: {name}", file=sys.stderr, flush=True)
        new = run_part(name)
        sections += new
        print("\n".join(map(as_markdown, new)), flush=True)
        if not arguments:
            is_whole = name == list(PARTS)[-1]
            _write(
                sections, report(sections, load=load, is_whole=is_whole, took_s=time.monotonic() - began_s)
            )
    return 3 if any(section.title.endswith(": failed") for section in sections) else 0


def _measure(name: str) -> list[Section]:
    sections: list[Section] = importlib.import_module(PARTS[name]).measure()
    return sections


def _write(sections: list[Section], text: str) -> None:
    folder = Path(".bench-quick") if QUICK else Path("bench")
    folder.mkdir(exist_ok=True)
    (folder / "RESULTS.md").write_text(text)
    (folder / CHART).write_text(chart([group for section in sections for group in section.bars]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
