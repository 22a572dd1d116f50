"""`logs`: what agents' programs wrote."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import click

from maos_sup.cli import options
from maos_sup.cli.messages import moment_of
from maos_sup.cli.places import tree_at, tree_or_default
from maos_sup.cli.says import say_json
from maos_sup.steering.wanting import known_agent
from maos_sup.views.files import printable
from maos_sup.views.output import STREAMS, Output, OutputLine
from maos_sup.views.output_times import OutputTimes
from maos_sup.views.status import Watcher, status_of
from state_layout.errors import BadInput, NotATree
from state_layout.files import codec
from state_layout.files.chain import utc_now
from state_layout.files.looking import is_regular
from state_layout.lives.attempts import list_attempts
from state_layout.paths import Tree


class Timed(NamedTuple):
    """A line, and when it was there; None: not asked, or not known."""

    line: OutputLine
    at: str | None


_LOOK_S = 0.15
_COLOURS = ("36", "35", "32", "34", "31")  # no yellow: on white nobody reads it


@click.command("logs")
@options.directory_or_default
@click.argument("agents", metavar="[AGENT]...", nargs=-1)
@click.option("-f", "--follow", is_flag=True, help="Go on until nobody works any more.")
@click.option("-n", "--lines", metavar="N", type=options.count(0), help="Only the last N lines.")
@click.option("--attempt", metavar="N", type=options.count(), help="Only this attempt of each agent.")
@click.option("-t", "--timestamps", "has_times", is_flag=True, help="Before each line, when it was written.")
@click.option("--since", metavar="WHEN", help="Only what was written since: 10m, 2h, or a time.")
@click.option("--until", metavar="WHEN", help="Only what was written until then.")
@click.option("--stream", type=options.Word(STREAMS), help="Only this stream; both otherwise.")
@options.as_json_or_lines
def command(
    directory: str | None,
    agents: tuple[str, ...],
    *,
    follow: bool,
    lines: int | None,
    attempt: int | None,
    stream: str | None,
    has_times: bool,
    since: str | None,
    until: str | None,
    as_json: bool,
) -> None:
    """Print what the programs of agents wrote, all their attempts, the oldest first.

    Programs write no times: with -t, --since and --until a line's time is the first moment at which it is on
    record that it was there, and lines of several agents are in the order of these times.
    """
    now = datetime.now(UTC)
    span = (_moment("--since", since, now) or "", _whole_second(_moment("--until", until, now)) or "9")
    if until is not None and follow:
        raise BadInput("--until and -f exclude each other: what is followed has no end yet; leave one out")
    tree, names = meant(directory, agents)
    if attempt is not None and not follow:
        _refuse_unknown_attempt(tree, names, attempt)
    streams = STREAMS if stream is None else (stream,)
    output = Output(tree, names, attempt=attempt, streams=streams)
    printer = _Printer(many=len(names) > 1, as_json=as_json and follow, has_times=has_times)
    first = _timed(output.read(to_the_end=not follow))
    if has_times or since or until:
        first = _dated(tree, first, span=span)
    chosen: Iterable[Timed] = first if lines is None else deque(first, maxlen=lines)
    if as_json and not follow:
        say_json({"lines": [_fields(line, has_times=has_times) for line in chosen]})
        return
    printer.print(chosen)
    if follow:
        _follow(tree, output, printer)


def meant(directory: str | None, agents: tuple[str, ...]) -> tuple[Tree, list[str]]:
    """Find the tree and the agents; where the first word names no tree, it is an agent of the default one."""
    try:
        tree = tree_or_default(directory)
    except NotATree:
        if directory is None:
            raise
        tree = tree_or_default(None) if _is_agent_of_default(directory) else tree_at(directory)
        agents = (directory, *agents)
    if agents:
        return tree, [known_agent(tree, agent) for agent in agents]
    return tree, [agent["name"] for agent in status_of(tree)["agents"]]


def _refuse_unknown_attempt(tree: Tree, names: list[str], attempt: int) -> None:
    """Raise BadInput if none of the agents has that attempt."""
    there = {number for name in names for number in list_attempts(tree.agent(name))}
    if attempt not in there:
        known = f"use 1 to {max(there)}" if there else "there is none yet"
        raise BadInput(f"no attempt {attempt}; {known}")


def _is_agent_of_default(name: str) -> bool:
    try:
        return is_regular(tree_or_default(None).agent_spec(name))
    except NotATree:
        return False


def _moment(name: str, text: str | None, now: datetime) -> str | None:
    return None if text is None else moment_of(text, now=now, name=name)


def _whole_second(moment: str | None) -> str | None:
    """Printed times have no fractions: the second that was printed counts to its end."""
    return moment if moment is None else moment.replace(".000000Z", ".999999Z")


def _timed(lines: Iterable[OutputLine], at: str | None = None) -> Iterator[Timed]:
    return (Timed(line, at) for line in lines)


def _dated(tree: Tree, lines: Iterable[Timed], *, span: tuple[str, str]) -> Iterator[Timed]:
    """Yield the lines of that span with their times, in the order of these; what is of one file stays in
    order."""
    times = OutputTimes(tree)
    dated = (Timed(one.line, times.at(one.line)) for one in lines)
    chosen = [one for one in dated if span[0] <= (one.at or "") <= span[1]]
    yield from sorted(chosen, key=lambda one: one.at or "")


def _second(at: str | None) -> str:
    """A time as --since takes it back."""
    return "-" if at is None else f"{at[:19]}Z"


def _fields(one: Timed, *, has_times: bool) -> dict[str, object]:
    """Make a line for `--json`; with times also where it ends in its file, to go on there."""
    told = one.line._asdict()
    return told | {"at": one.at} if has_times else {key: told[key] for key in told if key != "end"}


def _follow(tree: Tree, output: Output, printer: _Printer) -> None:
    """Print what comes until neither an agent nor a supervisor lives."""
    watcher = Watcher(tree)
    while True:
        status = watcher.status()
        printer.print(_timed(output.read(), utc_now()))
        if not status["counts"]["alive"] and not status["supervisor"]["alive"]:
            printer.print(_timed(output.read(to_the_end=True), utc_now()))
            return
        time.sleep(_LOOK_S)


class _Printer:
    """Writes lines; a terminal gets no control characters."""

    def __init__(self, *, many: bool, as_json: bool, has_times: bool) -> None:
        self._many, self._as_json, self._clean = many, as_json, sys.stdout.isatty()
        self._has_times = has_times
        self._has_colours = self._clean and not os.environ.get("NO_COLOR") and not as_json
        self._numbers: dict[str, int] = {}

    def print(self, lines: Iterable[Timed]) -> None:
        for one in lines:
            sys.stdout.write(self._text(one) + "\n")
        sys.stdout.flush()

    def _text(self, one: Timed) -> str:
        line = one.line
        if self._as_json:
            return codec.encode(_fields(one, has_times=self._has_times)).decode()
        text = printable(line.text) if self._clean else line.text
        if self._has_times:
            text = f"{_second(one.at)} {text}"
        if not self._many:
            return text
        mark = f"{line.agent}{'!' if line.stream == 'stderr' else '|'}"
        return f"{self._coloured(mark, line.agent)} {text}"

    def _coloured(self, mark: str, agent: str) -> str:
        """The mark in a colour of the agent's own, where colours are wanted."""
        if not self._has_colours:
            return mark
        number = self._numbers.setdefault(agent, len(self._numbers))
        return f"\x1b[{_COLOURS[number % len(_COLOURS)]}m{mark}\x1b[0m"
