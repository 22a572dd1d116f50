"""The whole screen as lines, for any size. Pure: the same look and choice give the same lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maos_sup.views.cells import cells, padded, wrapped
from maos_sup.views.events import counted, duration_text
from maos_sup.views.render import (
    age_s,
    answer_line,
    budget_text,
    cap_line,
    one_line,
    tasks_table,
)
from maos_sup.views.screen.keys import HELP_LINES, keys_line
from maos_sup.views.screen.rows import (
    STYLES,
    Column,
    column_width,
    columns,
    ordered,
    reason_text,
    rest_text,
    wants_you,
)
from maos_sup.views.screen.spans import Line, Painted, fitted, line
from maos_sup.views.screen.state import AGENTS, END, HELP, MESSAGES, READ, TASKS, Choice, Look
from state_layout.records import AgentPhase, Phase

if TYPE_CHECKING:
    from maos_sup.views.shapes import AgentShown, Status

_LEAST_ROWS = 3
_DETAIL_LINES = 6  # at most of the selected agent


def picture(look: Look, choice: Choice, *, width: int, height: int) -> list[Line]:
    """Draw exactly `height` lines of `width` cells."""
    head, foot = _head(look, width), _foot(look, choice, width)
    room = max(0, height - len(head) - len(foot))
    body = _BODIES[choice.page](look, choice, width, room)[:room]
    body += [()] * (room - len(body))
    return [fitted(spans, width) for spans in (*head, *body, *foot)][-height:]


def title(status: Status) -> str:
    """Say in the terminal's title how far it is, and whether somebody is wanted."""
    counts = status["counts"]
    wanted = _wanted_text(status)
    far = f"{_done(status)}/{counts['tasks']}"
    return f"{far} {wanted or status['phase']}: {one_line(status['request'])[:60]}"


def visible_rows(many: int, selected: int, room: int) -> range:
    """Choose which of `many` rows `room` lines show; one line is kept for what is said of the rest."""
    if many <= room:
        return range(many)
    shown = max(1, room - 1)
    first = min(max(0, selected - shown + 1), many - shown)
    return range(first, first + shown)


def page_of(lines: int, offset: int, room: int) -> int:
    """Find the first line shown of `lines`, with `room` for so many; END stays at the end."""
    last = max(0, lines - room)
    return last if offset == END else min(max(0, offset), last)


def _head(look: Look, width: int) -> list[Line]:
    """Draw how it stands, what it is, what it was asked for."""
    status, counts = look.status, look.status["counts"]
    wanted = _wanted_text(status)
    facts = ["starting" if look.is_starting else _phase_text(status)] + ([wanted] if wanted else [])
    facts.append(f"{_done(status)} of {counted(counts['tasks'], 'task')} done")
    age = age_s(status["created_at"])
    more = (
        [duration_text(age)] if age is not None and status["phase"] in (Phase.RUNNING, Phase.PAUSED) else []
    )
    more += [text] if (text := budget_text(status)) else []
    more += [f"{counts['alive']} of {counted(counts['agents'], 'agent')} alive"]
    more += [counted(counts["messages"], "message")] if counts["messages"] else []
    more += ["no supervisor"] if not status["supervisor"]["alive"] and not look.is_starting else []
    rest = "  ".join(facts[2 if wanted else 1 :] + more)
    style = "bad" if status["phase"] == Phase.FAILED else "title"
    first: Line = (Painted(facts[0], style), *([Painted("  "), Painted(wanted, "wants")] if wanted else []))
    first = (*first, Painted(f"  {rest}"))
    request = one_line(status["request"])
    return [
        first,
        (Painted(one_line(look.name), "dim"), Painted("  "), Painted(request)),
        _bar(status, width),
    ]


def _phase_text(status: Status) -> str:
    """Word the phase; what is wanted as well while it is not yet so."""
    want, phase = str(status["want"]), str(status["phase"])
    under_way = {"pause": "pausing", "stop": "stopping"}.get(want)
    return f"{phase}, {under_way}" if under_way and phase == Phase.RUNNING else phase


def _done(status: Status) -> int:
    """Count the tasks that need no more work; what failed is not done."""
    return sum(status["counts"]["tasks_by_phase"].get(phase, 0) for phase in ("done", "skipped"))


def _wanted_text(status: Status) -> str:
    asked = len(status["questions"])
    failed = sum(agent["phase"] in (AgentPhase.FAILED, AgentPhase.HUNG) for agent in status["agents"])
    failed = failed or status["counts"]["tasks_by_phase"].get("failed", 0)
    told = [counted(asked, "question")] if asked else []
    return ", ".join(told + ([f"{failed} failed"] if failed else []))


def _bar(status: Status, width: int) -> Line:
    """Draw tasks done, failed and under way, each with a mark of its own: readable without colours."""
    counts = status["counts"]
    total, phases = max(1, counts["tasks"]), counts["tasks_by_phase"]
    room = min(width, 60)
    done = room * sum(phases.get(phase, 0) for phase in ("done", "skipped", "cancelled")) // total
    failed = -(-room * sum(phases.get(phase, 0) for phase in ("failed", "blocked")) // total)
    begun = room * sum(phases.get(phase, 0) for phase in ("running", "asking", "interrupted")) // total
    failed, begun = min(failed, room - done), min(begun, room - done - failed)
    left = room - done - failed - begun
    return (
        Painted("#" * done, "good"),
        Painted("x" * failed, "bad"),
        Painted("=" * begun),
        Painted("-" * left, "dim"),
    )


def _foot(look: Look, choice: Choice, width: int) -> list[Line]:
    if choice.prompt is not None:
        label = f"{choice.prompt.label} "
        room = max(4, width - cells(label) - 1)
        text = choice.prompt.text
        while cells(text) > room:
            text = text[1:]
        return [(Painted(label, "wants"), Painted(text), Painted("_", "dim"))]
    keys = keys_line(choice, width=width)
    return [line(look.notice or look.hint, "title" if look.notice else "dim"), line(keys, "dim")]


def _agents(look: Look, choice: Choice, width: int, room: int) -> list[Line]:
    """The table, the selected agent, and what happened last, as far as there is room."""
    agents = ordered(look, choice)
    errors = _problems(look, width)[: max(0, room // 4)]
    names = [agent["name"] for agent in agents]
    selected = names.index(choice.selected) if choice.selected in names else 0
    detail = _detail(look, agents[selected], width) if agents else []
    detail = detail[: max(0, min(_DETAIL_LINES, room - len(errors) - _LEAST_ROWS - 1))]
    for_rows = room - len(errors) - len(detail) - 1
    lines = errors + _table(look, choice, width, for_rows)
    if detail:
        lines += [*detail]
    left = room - len(lines)
    tasks = _tasks_below(look, width, left)
    lines += tasks
    left -= len(tasks)
    if left > 1 and look.news:
        lines += [(), *(_news(news.at, news.text) for news in look.news[-(left - 1) :])]
    return lines


def _table(look: Look, choice: Choice, width: int, room: int) -> list[Line]:
    agents = ordered(look, choice)
    names = [agent["name"] for agent in agents]
    if not agents:
        return [line(f"no agent fits the filter {choice.filter!r}" if choice.filter else "no agents", "dim")]
    selected = names.index(choice.selected) if choice.selected in names else 0
    laid = columns(look, agents, width=width)
    shown = visible_rows(len(agents), selected, room)
    lines = [_row(laid, None, "dim")]
    for number in shown:
        style = "selected" if number == selected else STYLES.get(agents[number]["phase"], "")
        lines.append(_row(laid, number, style))
    hidden = [agent for number, agent in enumerate(agents) if number not in shown]
    return [*lines, line(f"  {rest_text(hidden)}", "wants" if any(map(wants_you, hidden)) else "dim")][
        : len(lines) + bool(hidden)
    ]


def _row(laid: list[Column], number: int | None, style: str) -> Line:
    *fixed, last = laid
    spans = list[Painted]()
    for column in fixed:
        text = column.head if number is None else column.cells[number]
        shown = style if style in ("selected", "dim") or column.head in ("", "PHASE") else ""
        spans.append(Painted(padded(text, column_width(column)), shown))
        spans.append(Painted("  ", "selected" if style == "selected" else ""))
    text = last.head if number is None else last.cells[number]
    return (*spans, Painted(text, style if style in ("selected", "dim") else ""))


def _detail(look: Look, agent: AgentShown, width: int) -> list[Line]:
    """Draw what to know and do of the selected agent; nothing where its row says all."""
    if agent["questions"]:
        asked = agent["questions"][0]
        text = f"{agent['name']} asks: {one_line(str(asked.get('text', '')))}"
        lines = [line(part, "wants") for part in wrapped(text, width)]
        typed = wrapped(f"a answers it here; {answer_line(asked, name=look.name)}", width)
        return [(), *lines[: _DETAIL_LINES - 1 - len(typed)], *(line(part, "dim") for part in typed)]
    if (cap := cap_line(agent, name=look.name)) is not None:
        return [(), *(line(part, "wants") for part in wrapped(f"{agent['name']}: {cap}", width))]
    failed = [
        task
        for task in look.status["tasks"]
        if task["agent"] == agent["name"] and task["phase"] == "failed" and task["error"]
    ]
    why = one_line(str(failed[-1]["error"])) if failed else reason_text(agent)
    if why and wants_you(agent):
        return [(), *(line(part, "bad") for part in wrapped(f"{agent['name']}: {why}", width))]
    return []


def _problems(look: Look, width: int) -> list[Line]:
    texts = [f"spec error: {error['text']}" for error in look.status["spec_errors"]]
    texts += [f"note: {note}" for note in look.status["notes"]]
    return [line(part, "bad") for text in texts for part in wrapped(one_line(text), width)]


def _news(at: str, text: str) -> Line:
    return (Painted(f"{at} ", "dim"), Painted(one_line(text)))


def _tasks_below(look: Look, width: int, room: int) -> list[Line]:
    """The tasks below the agents, where all of them and some news fit."""
    rows = _task_lines(look, width)
    return [(), *rows] if len(rows) + 6 <= room else []


def _task_lines(look: Look, width: int) -> list[Line]:
    texts = tasks_table(look.status, width=width)
    return [line(text, "dim" if number == 0 else "") for number, text in enumerate(texts)]


def _paged(lines: list[Line], choice: Choice, room: int, *, from_end: bool) -> list[Line]:
    offset = choice.offset if from_end or choice.offset != END else 0
    first = page_of(len(lines), offset, room)
    return lines[first : first + room]


def _tasks(look: Look, choice: Choice, width: int, room: int) -> list[Line]:
    return _paged(_task_lines(look, width), choice, room, from_end=False)


def _messages(look: Look, choice: Choice, width: int, room: int) -> list[Line]:
    texts = look.messages or ("no messages yet",)
    lines = [line(part) for text in texts for part in wrapped(text, width)]
    return _paged(lines, choice, room, from_end=True)


def _read(look: Look, choice: Choice, width: int, room: int) -> list[Line]:
    what = "output" if choice.is_raw else "transcript"
    head = line(f"{what} of {choice.selected}", "title")
    lines = [
        line(part, "title" if text.startswith("--- ") else "")
        for text in (look.reading or ("nothing yet",))
        for part in (wrapped(text, width) if cells(text) > width else [text])
    ]
    return [head, *_paged(lines, choice, room - 1, from_end=True)]


def _help(look: Look, choice: Choice, width: int, room: int) -> list[Line]:
    lines = [
        line(part)
        for text in HELP_LINES
        for part in (wrapped(text, width) if cells(text) > width else [text])
    ]
    return _paged(lines, choice, room, from_end=False)


_BODIES = {AGENTS: _agents, TASKS: _tasks, MESSAGES: _messages, READ: _read, HELP: _help}
