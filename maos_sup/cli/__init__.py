"""The command line. It reads the tree, edits `spec/`, starts a supervisor; it never talks to a process.

`main` is the one edge where errors become a line on stderr and an exit code. Importing this package costs
nothing: click, rich and the commands are imported when they are used.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code (docs/commands.md has the table).

    Without `arguments` it is the whole process: the command is that of its command line.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _open_what_was_closed()
    if (service := _service(given)) is not None:
        return service()
    if arguments is None:
        return _alone(given)
    return _command(given)


def _alone(given: list[str]) -> int:
    """Run one command as the whole process, and spare it the search for cycles where it only looks and ends.

    What is imported to print a page has none to be found, and the interpreter would look through all of it
    some twenty times, once more at its end. What `check` decodes of records has none either.
    """
    if _glance(given) is None and given[:1] != ["check"]:
        return _command(given)
    gc.disable()
    code = _command(given)
    gc.freeze()
    return code


def _command(given: list[str]) -> int:
    from maos_sup.cli import edge

    if (glance := _glance(given)) is not None:
        from maos_sup.cli.outputs import guard_outputs

        guard_outputs()
        return edge.guarded(glance, debug=bool(os.environ.get("MAOS_SUP_DEBUG")))
    from maos_sup.cli.group import commands

    return edge.run_command(commands, given)


def _glance(given: list[str]) -> Callable[[], int] | None:
    """Find what answers `status`, typed most, and questions about the program; None with options, and for
    all else: what reads options takes a third of the time."""
    match given:
        case ["status"]:
            return lambda: _status(None)
        case ["status", directory] if not directory.startswith("-"):
            return lambda: _status(directory)
        case ["--help" | "-h"]:
            return _say_help
        case ["version" | "--version" | "-V" as word]:
            return lambda: _say_version(with_trees=word == "version")
    return None


def _service(given: list[str]) -> Callable[[], int] | None:
    """Find what goes on for long, started by programs: it imports nothing that reads options."""
    match given:
        case ["supervise", directory] if _is_folder(directory):
            return lambda: be_supervisor(directory)
        case ["mcp", directory, "--agent", agent] if _is_folder(directory):
            return lambda: be_bus(directory, agent)
        case ["follow", directory, name] if _is_folder(directory):
            return lambda: be_follower(directory, name)
        case ["send-spans", directory] if _is_folder(directory):
            return lambda: be_sender(directory)
    return None


def _is_folder(text: str) -> bool:
    return os.path.isdir(text)  # noqa: PTH112 - of Python 3.11 `Path.is_dir` raises PermissionError


def _folder(text: str) -> Path:
    from pathlib import Path

    return Path(text).resolve()


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


def _status(directory: str | None) -> int:
    from maos_sup.cli.glance import show_plainly

    return show_plainly(directory)


def _say_help() -> int:
    from maos_sup.cli.front import say_help

    return say_help()


def _say_version(*, with_trees: bool) -> int:
    from maos_sup.cli.front import say_version

    return say_version(with_trees=with_trees)


def be_supervisor(directory: str) -> int:
    """Be the supervisor of the tree in `directory`, in the foreground. Imports nothing for terminals.

    Tracebacks go to stderr, which is `run/supervisor.log` where nobody looks on. The process ends here: who
    waits for the end of a supervisor does not wait until all that it imported is taken apart.
    """
    from maos_sup.cli import edge

    code = edge.guarded(lambda: _supervise(directory), debug=True)
    try:
        sys.stderr.flush()
    finally:  # stderr may lie on a full disk
        os._exit(code)


def be_follower(directory: str, name: str) -> int:
    """Be the follower of a mirror. Imports little: it may live for long beside many agents."""
    from maos_sup.cli import edge

    return edge.guarded(lambda: _follow(directory, name), debug=True)


def _follow(directory: str, name: str) -> int:
    from maos_sup.mirrors.following import follow
    from maos_sup.mirrors.mirror import Superseded
    from state_layout.errors import Locked

    try:
        follow(_folder(directory), name)
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
        follow(_folder(directory), os.environ, redactor_of)
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

    return serve(_folder(directory), agent)


def _supervise(directory: str) -> int:
    from maos_sup.launchers.ahead import drop_zygote, start_zygote
    from maos_sup.supervisor.entries import AGENT_ENTRY

    root = _folder(directory)
    start_zygote(root, AGENT_ENTRY)  # first: it imports while we do
    try:
        from maos_sup.cli.edge import OK, TASK_FAILED
        from maos_sup.supervisor.loop import supervise as serve
        from state_layout.records import Phase

        return TASK_FAILED if serve(root) is Phase.FAILED else OK
    finally:
        drop_zygote()
