"""The command line. It reads the tree, edits `spec/`, starts a supervisor; it never talks to a process.

`main` is the one edge where errors become a line on stderr and an exit code. Importing this package costs
nothing: click, rich and the commands are imported when they are used.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code (docs/commands.md has the table)."""
    given = sys.argv[1:] if arguments is None else arguments
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _open_what_was_closed()
    if len(given) == 2 and given[0] == "supervise" and Path(given[1]).is_dir():
        return be_supervisor(given[1])
    if len(given) == 4 and given[0] == "mcp" and given[2] == "--agent" and Path(given[1]).is_dir():
        return be_bus(given[1], given[3])
    if given[:1] == ["status"] and len(given) <= 2 and not any(word.startswith("-") for word in given):
        return _status(*given[1:])
    if len(given) == 3 and given[0] == "follow" and Path(given[1]).is_dir():
        return be_follower(given[1], given[2])
    if len(given) == 2 and given[0] == "send-spans" and Path(given[1]).is_dir():
        return be_sender(given[1])
    from maos_sup.cli import edge
    from maos_sup.cli.group import commands

    return edge.run_command(commands, given)


def _open_what_was_closed() -> None:
    """Lead closed standard descriptors (`>&-`, some cron daemons) nowhere.

    Otherwise the next file that is opened gets their number, and what is printed is written into it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 as the interpreter would have
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _status(directory: str | None = None) -> int:
    """Run `status` without options, typed most: what reads options takes a third of its time."""
    from maos_sup.cli import edge, outputs

    def show() -> int:
        from maos_sup.cli.glance import show_plainly

        return show_plainly(directory)

    outputs.guard_outputs()
    return edge.guarded(show, debug=bool(os.environ.get("MAOS_SUP_DEBUG")))


def be_supervisor(directory: str) -> int:
    """Be the supervisor of the tree in `directory`, in the foreground. Imports nothing for terminals.

    Tracebacks go to stderr, which is `run/supervisor.log` where nobody looks on.
    """
    from maos_sup.cli import edge

    return edge.guarded(lambda: _supervise(directory), debug=True)


def be_follower(directory: str, name: str) -> int:
    """Be the follower of a mirror. Imports little: it may live for long beside many agents."""
    from maos_sup.cli import edge

    return edge.guarded(lambda: _follow(directory, name), debug=True)


def _follow(directory: str, name: str) -> int:
    from maos_sup.mirrors.following import follow
    from maos_sup.mirrors.mirror import Superseded
    from state_layout.errors import Locked

    try:
        follow(Path(directory).resolve(), name)
    except Superseded:
        raise
    except Locked as busy:
        return busy.exit_code  # two were started at once: nothing to be said
    return 0


def be_sender(directory: str) -> int:
    """Be who sends the spans of an orchestration. Imports little: it may live for long beside many agents."""
    from maos_sup.cli import edge

    return edge.guarded(lambda: _send_spans(directory), debug=True)


def _send_spans(directory: str) -> int:
    from maos_sup.cli.report import redactor_of
    from maos_sup.traces.following import follow
    from state_layout.errors import Locked

    try:
        follow(Path(directory).resolve(), os.environ, redactor_of)
    except Locked as busy:
        return busy.exit_code  # two were started at once: nothing to be said
    return 0


def be_bus(directory: str, agent: str) -> int:
    """Be the bus of an agent on stdin and stdout. Imports little: a client does not wait."""
    from maos_sup.cli import edge, outputs

    outputs.guard_outputs()

    return edge.guarded(lambda: _serve_bus(directory, agent), debug=True)


def _serve_bus(directory: str, agent: str) -> int:
    from maos_sup.agents.bus.server import serve

    return serve(Path(directory).resolve(), agent)


def _supervise(directory: str) -> int:
    from maos_sup.cli.edge import OK, TASK_FAILED
    from maos_sup.supervisor.loop import supervise as serve
    from state_layout.records import Phase

    return TASK_FAILED if serve(Path(directory).resolve()) is Phase.FAILED else OK
