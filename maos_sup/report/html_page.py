"""A report as one HTML file: no script, no network, its styles inside, light and dark, in print as well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

from maos_sup import __version__
from maos_sup.projection.journal_lines import text_of
from maos_sup.projection.money_rows import money_lines, sum_rows
from maos_sup.projection.reading import shown_json
from maos_sup.projection.text import cut, short
from maos_sup.projection.wants import Wanted
from maos_sup.report.contents import Contents, ReportLimits
from maos_sup.report.drawing import graph_svg, timeline_svg
from maos_sup.report.markup import Markup, joined, tag
from maos_sup.report.tables import Row, agent_rows, figure_heads, figures_of, tasks_in_order
from maos_sup.views.events import counted, outcome_text

if TYPE_CHECKING:
    from maos_sup.views.shapes import TaskShown

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


class _Room:
    """Counts the characters of texts that are still to be shown."""

    def __init__(self, limits: ReportLimits) -> None:
        self._one, self._left = limits.text, limits.texts

    def take(self, text: str) -> str:
        """`text`, shortened to what there is room for."""
        shown = cut(text, min(self._one, max(200, self._left)))
        self._left -= len(shown)
        return shown


def html_page(contents: Contents, limits: ReportLimits) -> str:
    """Draw the whole file."""
    status, room = contents.status, _Room(limits)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{status['id']}: {short(status['request'], 80)}"),
        Markup(f"<style>{_style()}</style>"),
    )
    body = tag("body", tag("main", [*_sections(contents, limits, room)]), _foot(contents))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _style() -> str:
    return (files("maos_sup.report") / "report.css").read_text(encoding="utf-8")


def _sections(contents: Contents, limits: ReportLimits, room: _Room) -> Iterable[Markup | None]:
    yield _header(contents)
    yield _section("Waits for you", [_wanted(wanted) for wanted in contents.waiting[: limits.rows]])
    yield _section("What failed, and why", _failures(contents, limits))
    yield _section("Timeline", [_wide(timeline_svg(contents.timeline), "Timeline"), _legend(contents)])
    if contents.graph.nodes:
        yield _section("Tasks as a graph", [_wide(graph_svg(contents.graph), "Graph")])
    yield _section("Tasks and results", _tasks(contents, limits, room))
    yield _section("Agents", _agents(contents, limits))
    yield _section("Money", _money(contents, limits))
    yield _section("Messages", _messages(contents, room))
    yield _section("Artifacts", _artifacts(contents, room))
    yield _section(
        "Notes", [tag("ul", [tag("li", note) for note in contents.status["notes"][: limits.rows]])]
    )


def _section(title: str, children: Sequence[Markup | None]) -> Markup | None:
    inner = joined(child for child in children if child is not None)
    empty = not inner or inner == "<ul></ul>"
    return None if empty else tag("section", tag("h2", title), inner)


def _header(contents: Contents) -> Markup:
    status = contents.status
    figures = [tag("div", tag("dt", name), tag("dd", value)) for name, value in figures_of(contents)]
    return tag(
        "header",
        tag(
            "p",
            status["id"],
            " ",
            tag("span", status["phase"], class_=f"pill {status['phase']}"),
            class_="id",
        ),
        tag("h1", cut(status["request"], 2000)),
        tag("dl", figures, class_="figures"),
    )


def _wanted(wanted: Wanted) -> Markup:
    who = " ".join(filter(None, (wanted.agent, f"({wanted.task})" if wanted.task else "")))
    return tag(
        "article",
        tag("h3", f"{wanted.kind}: ", who),
        tag("p", cut(wanted.text, 4000)),
        tag("pre", "\n".join(wanted.diff)) if wanted.diff else None,
        tag("pre", wanted.type_this) if wanted.type_this else None,
        class_="wanted",
    )


def _failures(contents: Contents, limits: ReportLimits) -> list[Markup | None]:
    bad = [task for task in contents.status["tasks"] if task["phase"] in ("failed", "blocked", "cancelled")]
    found: list[Markup | None] = []
    for task in bad[: limits.rows]:
        found.append(
            tag(
                "article",
                tag("h3", task["id"], f" ({task['agent']})"),
                tag("p", outcome_text(task)),
                tag("pre", cut(task["error"], 4000)) if "\n" in str(task["error"] or "") else None,
                class_="failed",
            )
        )
    return [*found, _more(len(bad) - limits.rows, "task")]


def _legend(contents: Contents) -> Markup:
    timeline = contents.timeline
    parts = ("task", "model", "tool", "asking", "void")
    words = ("task", "model answers", "tool runs", "waits for a person", "does not count any more")
    items = [tag("span", tag("i", class_=part), word) for part, word in zip(parts, words, strict=True)]
    marks = (
        ("\u2715", "ended badly", True),
        ("\u25be", "checkpoint", bool(timeline.ticks)),
        ("\u2312", "mail", bool(timeline.arrows)),
        ("\u258c", "money", any(timeline.money)),
    )
    items += [tag("span", tag("b", glyph), f" {word}") for glyph, word, is_there in marks if is_there]
    hidden = timeline.agents - len(timeline.lanes)
    more = f" {counted(hidden, 'agent')} more had no room here." if hidden > 0 else ""
    cut_off = any(lane.left_out for lane in timeline.lanes)
    told = " Of busy lanes the last part is shown." if cut_off else ""
    return tag("p", items, f" Times are UTC.{more}{told}", class_="legend")


def _tasks(contents: Contents, limits: ReportLimits, room: _Room) -> list[Markup | None]:
    tasks, left_out = tasks_in_order(contents, limits.rows)
    return [*(_task(task, contents, room) for task in tasks), _more(left_out, "task")]


def _task(task: TaskShown, contents: Contents, room: _Room) -> Markup:
    result = contents.results.get(task["id"], task["result"])
    cost = contents.costs.tasks.get(task["id"])
    needs = f"needs {', '.join(task['needs'])}" if task["needs"] else ""
    facts = [
        task["agent"],
        outcome_text(task),
        f"{cost.cost_usd:.4f} USD" if cost and cost.cost_usd else "",
        needs,
    ]
    return tag(
        "details",
        tag(
            "summary",
            tag("span", task["phase"], class_=f"pill {task['phase']}"),
            tag("b", task["id"]),
            " ",
            short(task["description"], 100),
        ),
        tag("p", " · ".join(filter(None, facts)), class_="facts"),
        tag("p", room.take(str(task["description"])), class_="text"),
        tag("pre", room.take(shown_json(result))) if result is not None else None,
    )


def _agents(contents: Contents, limits: ReportLimits) -> list[Markup | None]:
    rows = agent_rows(contents, limits.rows)
    figures = figure_heads(contents, limits.rows)
    head = ("Agent", "Kind", "Phase", "Attempts and how they ended", "Changed", "USD", "Tokens", *figures)
    return [
        _table(head, rows, numbers=2 + len(figures)),
        _more(len(contents.status["agents"]) - len(rows), "agent"),
    ]


def _money(contents: Contents, limits: ReportLimits) -> list[Markup | None]:
    costs = contents.costs
    if not costs.total.calls and not costs.void.calls:
        return []
    parts = (("Agent", costs.agents), ("Task", costs.tasks), ("Model", costs.models), ("Day", costs.days))
    tables = [
        _table((name, "USD", "Tokens", "Calls"), sum_rows(sums, min(limits.rows, 40)), numbers=3)
        for name, sums in parts
        if sums
    ]
    return [
        tag("ul", [tag("li", line) for line in money_lines(costs)]),
        tag("div", tables, class_="side"),
    ]


def _messages(contents: Contents, room: _Room) -> list[Markup | None]:
    found: list[Markup | None] = []
    for message in contents.messages:
        said = message.get("text") or message.get("body")
        head = f"{str(message['at'])[:19]} {message['from']} → {message['to']} ({message['type']})"
        found.append(
            tag("div", tag("b", head), tag("p", room.take(shown_json(said)), class_="text"), class_="mail")
        )
    count = contents.status["counts"]["messages"]
    if len(found) < count:
        found.append(tag("p", f"{counted(count, 'message')} in all; these are the newest.", class_="facts"))
    return found


def _artifacts(contents: Contents, room: _Room) -> list[Markup | None]:
    found: list[Markup | None] = []
    for (agent, name), text in contents.artifacts.items():
        where = f"agents/{agent}/artifacts/{name}"
        inner = tag("p", f"no text; it lies in {where}") if text is None else tag("pre", room.take(text))
        found.append(tag("details", tag("summary", tag("b", name), f" of {agent}"), inner))
    return found


def _table(head: Row, rows: Sequence[Row], *, numbers: int) -> Markup:
    """A table whose last `numbers` columns are numbers."""
    first = len(head) - numbers

    def cells(name: str, row: Row) -> list[Markup]:
        return [
            tag(name, cell, class_="number" if index >= first else None) for index, cell in enumerate(row)
        ]

    body = tag("tbody", [tag("tr", cells("td", row)) for row in rows])
    table = tag("table", tag("thead", tag("tr", cells("th", head))), body)
    return _wide(table, f"Table by {head[0]}", size="wide large" if len(head) > 4 else "wide")


def _wide(inner: Markup, label: str, *, size: str = "wide") -> Markup:
    """Wrap what is scrolled sideways where it is narrow, by keys too."""
    return tag("div", inner, class_=size, tabindex=0, role="region", aria_label=label)


def _more(count: int, what: str) -> Markup | None:
    return tag("p", f"{counted(count, what)} more, not shown here.", class_="facts") if count > 0 else None


def _foot(contents: Contents) -> Markup:
    made = text_of(contents.made_s)[:19]
    return tag(
        "footer", f"Made from the records at {made} UTC by maos-sup {__version__}. Secrets are left out."
    )
