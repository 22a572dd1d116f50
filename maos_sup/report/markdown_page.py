"""A report as Markdown, for a pull request or a chat: the same facts, and of drawings a small graph."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from maos_sup.projection.money_rows import money_lines, sum_rows
from maos_sup.projection.reading import shown_json
from maos_sup.projection.text import cut, plain, short
from maos_sup.report.contents import Contents, ReportLimits
from maos_sup.report.tables import Row, agent_rows, figure_heads, figures_of, tasks_in_order
from maos_sup.views.events import counted, outcome_text

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~@$!&])")
_LINKED = re.compile(r"(?i)(://|www\.|@)")  # what hosts of pull requests make links and mentions of
_APART = "\u200b"  # of no width
_MOST_DRAWN = 40


def markdown_page(contents: Contents, limits: ReportLimits) -> str:
    """Write the whole text."""
    return "\n".join(_lines(contents, limits)).rstrip() + "\n"


def escaped(text: object) -> str:
    """Put `text` in one line, with no meaning to Markdown: no link, no mention, no element of HTML."""
    line = _LINKED.sub(lambda found: f"{found[1][0]}{_APART}{found[1][1:]}", " ".join(plain(text).split()))
    return _SPECIAL.sub(r"\\\1", line)


def fenced(text: str) -> str:
    """`text` as a block of code, whatever backticks are in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _lines(contents: Contents, limits: ReportLimits) -> Iterator[str]:
    status = contents.status
    yield f"# {escaped(short(status['request'], 120))}"
    yield ""
    yield f"**{status['phase']}** · {escaped(status['id'])}"
    yield ""
    yield " · ".join(f"{name}: {escaped(value)}" for name, value in figures_of(contents))
    if contents.waiting:
        yield from ("", "## Waits for you", "")
        for wanted in contents.waiting[: limits.rows]:
            yield f"- {wanted.kind} {escaped(wanted.agent or '')}: {escaped(short(wanted.text, 400))}"
    yield from _failures(contents, limits)
    yield from _graph(contents)
    yield from _tasks(contents, limits)
    figures = figure_heads(contents, limits.rows)
    head = ("Agent", "Kind", "Phase", "Attempts", "Changed", "USD", "Tokens", *figures)
    yield from ("", "## Agents", "", *_table(head, agent_rows(contents, limits.rows)))
    yield from _money(contents, limits)


def _failures(contents: Contents, limits: ReportLimits) -> Iterator[str]:
    bad = [task for task in contents.status["tasks"] if task["phase"] in ("failed", "blocked", "cancelled")]
    if not bad:
        return
    yield from ("", "## What failed, and why", "")
    for task in bad[: limits.rows]:
        yield f"- **{escaped(task['id'])}** ({escaped(task['agent'])}): {escaped(outcome_text(task))}"


def _graph(contents: Contents) -> Iterator[str]:
    """The graph in the notation that pull requests draw, while it is small. Names of tasks are plain."""
    nodes = contents.graph.nodes
    if not 1 < len(nodes) <= _MOST_DRAWN or not contents.graph.edges:
        return
    places = {node.id: f"n{index}" for index, node in enumerate(nodes)}
    yield from ("", "```mermaid", "graph LR")
    for node in nodes:
        yield f'  {places[node.id]}["{node.label}: {node.phase}"]'
    for begin, end in contents.graph.edges:
        yield f"  {places[begin]} --> {places[end]}"
    yield "```"


def _tasks(contents: Contents, limits: ReportLimits) -> Iterator[str]:
    tasks, left_out = tasks_in_order(contents, min(limits.rows, 100))
    yield from ("", "## Tasks", "")
    yield from _table(
        ("Task", "Agent", "Phase", "What"),
        [
            (task["id"], task["agent"], str(outcome_text(task)), short(task["description"], 100))
            for task in tasks
        ],
    )
    if left_out:
        yield from ("", f"{counted(left_out, 'task')} more, not shown here.")
    results = [(task["id"], contents.results.get(task["id"])) for task in tasks]
    for name, result in results:
        if result is not None:
            shown = fenced(cut(shown_json(result), min(limits.text, 2000)))
            yield from ("", f"<details><summary>{escaped(name)}</summary>", "", shown, "", "</details>")


def _money(contents: Contents, limits: ReportLimits) -> Iterator[str]:
    costs = contents.costs
    if not costs.total.calls and not costs.void.calls:
        return
    yield from ("", "## Money", "")
    yield from (f"- {escaped(line)}" for line in money_lines(costs))
    for name, sums in (("Agent", costs.agents), ("Model", costs.models)):
        yield from ("", *_table((name, "USD", "Tokens", "Calls"), sum_rows(sums, 20)))


def _table(head: Row, rows: Sequence[Row]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(escaped, row))} |"
