"""The report: what was measured where, whether each target is met, where others are better."""

from __future__ import annotations

from bench.chart import NAME as CHART
from bench.figures import QUICK, ROUNDS, Section
from bench.machine import machine_lines

_VERDICTS = {True: "met", False: "**missed**", None: ""}


def as_markdown(section: Section) -> str:
    """One table."""
    lines = [f"## {section.title}", ""]
    if section.note:
        lines += [section.note, ""]
    lines += ["| | median (least to most) | ratio | target | |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.name} | {row.value} | {row.ratio} | {row.target} | {_VERDICTS[row.met]} |"
        for row in section.rows
    ]
    return "\n".join([*lines, ""])


def report(sections: list[Section], *, load: str, is_whole: bool, took_s: float) -> str:
    """The whole file."""
    parts = [_head(load), _verdicts(sections), _losses(sections), *map(as_markdown, sections)]
    parts.append(f"Took {took_s / 60:.0f} minutes.\n" if is_whole else "Under way: more tables follow.\n")
    return "\n".join(parts)


def _head(load: str) -> str:
    kind = "A quick run: it shows that everything runs, its figures mean nothing. " if QUICK else ""
    lines = [
        "# Figures",
        "",
        f"{kind}Written by `make bench`: contestants take turns, {ROUNDS} round(s); medians (least to most). "
        "Trust ratios: they come from the same minutes on the same disk, and the median is over rounds.",
        "",
        f"![bars]({CHART})",
        "",
        *[f"- {line}" for line in machine_lines()],
        f"- load before it began (1, 5, 15 minutes): {load}",
        "",
    ]
    return "\n".join(lines)


WHY = "../bench/README.md#what-things-cost"


def _verdicts(sections: list[Section]) -> str:
    judged = [(section, row) for section in sections for row in section.rows if row.met is not None]
    missed = [(section, row) for section, row in judged if not row.met]
    lines = ["## Targets", "", f"{len(judged) - len(missed)} of {len(judged)} are met."]
    if missed:
        lines += ["", f"Missed ([why, and where the limit is]({WHY})):", ""]
    for section, row in missed:
        figure = f"{row.value}, {row.ratio}" if row.ratio else row.value
        lines.append(f"- {section.title}, {row.name}: {figure}; target {row.target or '-'}")
    return "\n".join([*lines, ""])


def _losses(sections: list[Section]) -> str:
    lost = [sentence for section in sections for sentence in section.lost]
    lines = ["## Where others are better", ""]
    lines += [f"- {sentence}" for sentence in lost] or ["Nowhere in what was measured."]
    return "\n".join([*lines, ""])
