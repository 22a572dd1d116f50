"""Plain text of a status: aligned columns, no control characters, cut to a width. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from maos_sup.views.events import counted, duration_text, outcome_text, reason_of
from maos_sup.views.files import printable

Status = dict[str, Any]
Row = Sequence[str]


def head_lines(status: Status) -> list[str]:
    """What it is, how it stands, what is wrong."""
    counts, supervisor = status["counts"], status["supervisor"]
    done = ", ".join(f"{number} {phase}" for phase, number in counts["tasks_by_phase"].items())
    by = f"supervisor {supervisor['pid']}" if supervisor["alive"] else "no supervisor"
    want = "" if status["want"] == "run" else f", wanted: {status['want']}"
    lines = [
        f"{status['id']}  {status['phase']}{want}",
        one_line(status["request"]),
        f"{counted(counts['tasks'], 'task')} ({done or 'none'}), "
        f"{counts['alive']} of {counted(counts['agents'], 'agent')} alive, "
        f"{counted(counts['messages'], 'message')} sent, {by}",
    ]
    lines += [f"spec error: {error['text']}" for error in status["spec_errors"]]
    lines += [
        f"question {asked['id']}: {one_line(str(asked.get('text', '')))}" for asked in status["questions"]
    ]
    return lines + [f"note: {note}" for note in status["notes"]]


def agents_table(status: Status, *, width: int) -> list[str]:
    """A line for each agent."""
    rows = [
        (
            agent["name"],
            str(agent["phase"]),
            str(agent["pid"] or "-"),
            str(agent["attempt"] or "-"),
            agent["task"] or "-",
            percent(agent["progress"]),
            age_text(agent["last_output_at"]),
            str(agent["sent"]),
            str(agent["received"]),
            f"{agent['cost_usd']:.2f}",
            last_text(agent),
        )
        for agent in status["agents"]
    ]
    heads = ("AGENT", "PHASE", "PID", "ATTEMPT", "TASK", "DONE", "OUTPUT", "SENT", "READ", "USD", "LAST")
    return table(heads, rows, width=width)


def tasks_table(status: Status, *, width: int) -> list[str]:
    """A line for each task."""
    rows = [
        (
            task["id"],
            task["agent"],
            str(task["phase"]),
            percent(task["progress"]),
            str(task["attempts"] or "-"),
            ", ".join(task["needs"]) or "-",
            _task_text(task),
        )
        for task in status["tasks"]
    ]
    return table(("TASK", "AGENT", "PHASE", "DONE", "ATTEMPTS", "NEEDS", ""), rows, width=width)


def discovery_lines(status: Status) -> list[str]:
    """The last discovery of each agent that made one."""
    found = [
        f"{agent['name']}: {one_line(str(agent['last_discovery']))}"
        for agent in status["agents"]
        if agent["last_discovery"]
    ]
    return ["", "last discoveries", *[f"  {line}" for line in found]] if found else []


def message_lines(messages: Sequence[Status]) -> list[str]:
    """A line for each message: when, who to whom, what."""
    return [
        f"{_when(message)} {message['from']} -> {message['to']} {message['type']}: {_said(message)}"
        for message in messages
    ]


def table(heads: Row, rows: Sequence[Row], *, width: int) -> list[str]:
    """Columns as wide as they need to be, the last one cut at `width`."""
    if not rows:
        return []
    sizes = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    lines = []
    for row in (heads, *rows):
        cells = [cell.ljust(size) for cell, size in zip(row, sizes, strict=True)]
        lines.append("  ".join(cells).rstrip()[:width])
    return lines


def last_text(agent: Status) -> str:
    """What there is to say of an agent: why it does not work, else what it said last."""
    return one_line(str(reason_of(agent) or agent["note"] or agent["last_line"] or ""))


def percent(progress: float | None) -> str:
    """`40 %`, or `-`."""
    if not isinstance(progress, int | float):
        return "-"
    return f"{max(0.0, min(1.0, progress)):.0%}"


def age_text(at: str | None) -> str:
    """How long ago `at` was, by this clock; `-` if never."""
    if not at:
        return "-"
    try:
        then = datetime.fromisoformat(at)
    except ValueError:
        return "-"
    return duration_text(max(0.0, (datetime.now(UTC) - then).total_seconds()))


def one_line(text: str) -> str:
    """`text` as one line that no terminal obeys."""
    return printable(" ".join(text.split()))


def _task_text(task: Status) -> str:
    if task["error"] or task["phase"] in ("done", "failed"):
        return one_line(outcome_text(task).removeprefix(str(task["phase"])).lstrip(": "))
    return one_line(task["description"])


def _when(message: Status) -> str:
    """The second it was sent; people need not write one."""
    return str(message["at"])[:19] or "-"


def _said(message: Status) -> str:
    said = message.get("text")
    return one_line(str(message.get("body") if said is None else said))
