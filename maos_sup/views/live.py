"""The live view of a terminal: a bar, a row an agent, the newest discoveries. Imported only for a terminal.

Nothing that a program wrote is taken for markup or obeyed as a control sequence.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from maos_sup.views.events import counted, events
from maos_sup.views.files import printable
from maos_sup.views.plain import discovery_text
from maos_sup.views.render import age_text, last_text, one_line, percent
from state_layout.records import AgentPhase, TaskPhase

Status = dict[str, Any]
_NEWS_SHOWN = 5
_STYLES = {
    AgentPhase.RUNNING: "green",
    AgentPhase.STARTING: "green",
    AgentPhase.DONE: "bold green",
    AgentPhase.FAILED: "bold red",
    AgentPhase.HUNG: "red",
    AgentPhase.BACKOFF: "yellow",
    AgentPhase.SLOW: "yellow",
    AgentPhase.ASKING: "bold yellow",
    AgentPhase.PAUSED: "cyan",
    AgentPhase.STOPPED: "cyan",
}


class LiveView:
    """Redraws in place; events that would scroll away are kept in a few lines below the table."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._news: deque[str] = deque(maxlen=_NEWS_SHOWN)
        self._discoveries: deque[str] = deque(maxlen=_NEWS_SHOWN)
        self._before: Status | None = None
        self._live = Live(console=self._console, auto_refresh=False, transient=False, redirect_stdout=False)
        self._is_open = False

    def show(self, status: Status, discoveries: list[dict[str, Any]]) -> None:
        """Draw the newest status."""
        self._discoveries.extend(f"{found.get('from')}: {discovery_text(found)}" for found in discoveries)
        if self._before is not None:
            self._news.extend(events(self._before, status))
        self._before = status
        self._draw()

    def say(self, text: str) -> None:
        """Show one line below the table."""
        self._news.append(text)
        self._draw()

    def close(self) -> None:
        """Leave the last picture on the terminal."""
        if self._is_open:
            self._is_open = False
            self._live.stop()

    def _draw(self) -> None:
        if self._before is None:
            return
        if not self._is_open:
            self._is_open = True
            self._live.start()
        self._live.update(self._picture(self._before), refresh=True)

    def _picture(self, status: Status) -> RenderableType:
        parts: list[RenderableType] = [_head(status), _bar(status), _agents(status, self._rows_left())]
        errors = [printable(error["text"]) for error in status["spec_errors"][:3]]
        parts += [Text(f"error {text}", style="red") for text in errors]
        parts += [
            Text(f"asks {asked['id']}: {one_line(str(asked.get('text', '')))}", style="yellow")
            for asked in status["questions"][:3]
        ]
        parts += [_line(f"* {text}", "bold") for text in self._discoveries]
        parts += [_line(f"  {text}", "dim") for text in self._news]
        return Group(*parts)

    def _rows_left(self) -> int:
        """Agents that fit on the terminal with everything else."""
        return max(3, self._console.size.height - 2 * _NEWS_SHOWN - 8)


def _head(status: Status) -> Text:
    counts = status["counts"]
    head = Text(no_wrap=True, overflow="ellipsis")
    head.append(f"{status['phase']} ", style="bold")
    head.append(one_line(status["request"]))
    many = f"{counts['alive']} alive, {counted(counts['messages'], 'message')} sent"
    head.append(f"  {printable(status['id'])}, {many}", style="dim")
    if counts["cost_usd"]:
        head.append(f", {counts['cost_usd']:.2f} USD", style="dim")
    if not status["supervisor"]["alive"]:
        head.append("  no supervisor", style="yellow")
    return head


def _bar(status: Status) -> RenderableType:
    """Tasks settled, and what is under way by its own account."""
    counts = status["counts"]
    total = max(1, counts["tasks"])
    done = counts["tasks"] - counts["tasks_left"]
    begun = sum(
        max(0.0, min(1.0, task["progress"]))
        for task in status["tasks"]
        if task["phase"] in (TaskPhase.RUNNING, TaskPhase.INTERRUPTED)
        and isinstance(task["progress"], int | float)
    )
    row = Table.grid(padding=(0, 1))
    row.add_row(
        ProgressBar(total=total, completed=done + begun, width=40),
        Text(f"{done}/{counted(counts['tasks'], 'task')}"),
    )
    return row


def _agents(status: Status, most: int) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
    for head in ("agent", "phase", "task", "try", "done", "sent", "read", "usd", "output"):
        table.add_column(head, no_wrap=True)
    table.add_column("last line", no_wrap=True, overflow="ellipsis", ratio=1)
    agents = (
        sorted(status["agents"], key=lambda agent: agent["pid"] is None)
        if len(status["agents"]) > most
        else status["agents"]
    )
    for agent in agents[:most]:
        table.add_row(
            Text(agent["name"]),
            Text(str(agent["phase"]), style=_STYLES.get(agent["phase"], "")),
            Text(printable(agent["task"] or "")),
            Text(str(agent["attempt"] or "")),
            Text(percent(agent["progress"]) if agent["progress"] is not None else ""),
            Text(str(agent["sent"])),
            Text(str(agent["received"])),
            Text(f"{agent['cost_usd']:.2f}" if agent["cost_usd"] else ""),
            Text(age_text(agent["last_output_at"]) if agent["last_output_at"] else ""),
            Text(last_text(agent)),
        )
    if len(agents) > most:
        table.add_row(Text(f"and {len(agents) - most} more", style="dim"))
    return table


def _line(text: str, style: str) -> Text:
    return Text(printable(text), style=style, no_wrap=True, overflow="ellipsis")
