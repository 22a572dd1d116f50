"""`doctor`: what is here, what is missing, and what to do about it."""

from __future__ import annotations

import os

import click

from maos_sup.agents.secrets.redaction import Redactor
from maos_sup.cli import edge, options
from maos_sup.cli.places import home
from maos_sup.cli.probes.finding import Grade, ProbeFinding, examine
from maos_sup.cli.probes.host import host_probes
from maos_sup.cli.probes.models import model_probes
from maos_sup.cli.says import say, say_json
from maos_sup.views.cells import wrapped
from maos_sup.views.render import terminal_width

_GRADE_CELLS = 9


@click.command("doctor")
@options.as_json
def command(as_json: bool) -> int:
    """Look at what maos-sup needs and can use on this host: one line each, and what to do.

    Nothing is changed, nothing is bought, no key is shown. The exit code is 14 if something is missing that
    every orchestration needs (`needed` in --json), else 0: what only some kinds need is no fault.
    """
    findings = examine([*host_probes(home()), *model_probes()])
    lacking = [one for one in findings if one.is_needed and one.grade is Grade.MISSING]
    redactor = Redactor(os.environ)
    if as_json:
        told = redactor.value([one.to_json() for one in findings])
        say_json({"findings": told, "ok": not lacking})
    else:
        names = max(len(one.name) for one in findings)
        lines = [line for one in findings for line in _lines(one, names)]
        say(redactor.text("\n".join([*lines, "", _verdict(findings, lacking)])))
    return edge.LACKING if lacking else edge.OK


def _lines(finding: ProbeFinding, names: int) -> list[str]:
    margin = _GRADE_CELLS + names + 2
    width = max(terminal_width() - margin, 30)
    texts = wrapped(finding.text, width)
    if finding.remedy:
        texts += [
            ("-> " if number == 0 else "   ") + line
            for number, line in enumerate(wrapped(finding.remedy, width - 3))
        ]
    head = f"{finding.grade:<{_GRADE_CELLS}}{finding.name:<{names}}  "
    return [(head if number == 0 else " " * margin) + text for number, text in enumerate(texts)]


def _verdict(findings: list[ProbeFinding], lacking: list[ProbeFinding]) -> str:
    if lacking:
        return f"nothing can run before this is mended: {', '.join(one.name for one in lacking)}"
    other = [one.name for one in findings if one.grade is not Grade.OK]
    if not other:
        return "all is here"
    return f"what every orchestration needs is here; what some use is not in order: {', '.join(other)}"
