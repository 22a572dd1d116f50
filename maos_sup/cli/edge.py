"""The edge: every error ends here as one line on stderr and an exit code; no traceback reaches a person.

An error nobody foresaw is a bug: it is said so, and its traceback is kept in a file to send along.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from maos_sup.cli.outputs import OutputLost, guard_outputs, let_go_of_stdout

if TYPE_CHECKING:
    from pathlib import Path

    import click

LOST = 4  # a compare-and-set came too late
OK, BUG, USAGE, TASK_FAILED, NOT_A_TREE, LOCKED, DAMAGED, INTERRUPTED = 0, 1, 2, 3, 10, 11, 12, 130
SECRETS = 13  # there are secrets in files
LACKING = 14  # this host lacks what every orchestration needs
_MOST_LINES = 50  # of one error
_AFTER_FULL = " and repeat this command"  # what runs waits for room; what was called has ended
CLOSED_PIPE = 141  # as a shell reports SIGPIPE
# They say that a path that a person named will not do, or that its disk will not, wherever it was looked at.
_OF_PLACES = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.ENOTDIR,
    errno.EIO,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ESTALE,
}

_traceback_folder: Path | None = None  # `run/` of the tree a command works on, once it is known


def keep_tracebacks_in(folder: Path) -> None:
    """From now on the traceback of a bug is kept in `folder`, a tree's `run/`."""
    global _traceback_folder
    _traceback_folder = folder


def run_command(commands: click.Group, arguments: list[str]) -> int:
    """Run the command of `commands` that `arguments` name; its exit code."""
    import click

    guard_outputs()
    debug = "--debug" in arguments or bool(os.environ.get("MAOS_SUP_DEBUG"))

    def run() -> int:
        try:
            result = commands.main(args=arguments, prog_name="maos-sup", standalone_mode=False)
        except click.exceptions.Exit as end:
            return end.exit_code
        except click.ClickException as error:
            if type(error).__name__ == "NoArgsIsHelpError":  # from click 8.2 on; its message is the help
                _say(error.format_message())
                return error.exit_code
            where = (
                f" (see {error.ctx.command_path} --help)"
                if isinstance(error, click.UsageError) and error.ctx
                else ""
            )
            _say(f"maos-sup: {error.format_message()}{where}")
            return error.exit_code
        except click.Abort:
            return INTERRUPTED
        return result if isinstance(result, int) else OK

    return guarded(run, debug=debug)


def guarded(command: Callable[[], int], *, debug: bool) -> int:
    """Call `command` and translate what it raises into an exit code."""
    try:
        code = command()
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except OutputLost as lost:
        let_go_of_stdout()
        if lost.is_unread:
            return CLOSED_PIPE
        _say(f"maos-sup: {lost}")
        return BUG
    except BrokenPipeError:
        let_go_of_stdout()
        return CLOSED_PIPE
    except Exception as error:  # noqa: BLE001 the outermost edge: whatever comes must end as an exit code
        return _told(error, debug=debug)


def _told(error: Exception, *, debug: bool) -> int:
    """Say what went wrong and return its exit code."""
    from pathlib import Path

    from state_layout.errors import (
        LayoutError,
        StorageError,
        StorageFull,
        storage_error,
    )  # help and versions go without

    if isinstance(error, LayoutError):
        lines = f"{error}{_AFTER_FULL if isinstance(error, StorageFull) else ''}".splitlines()
        if len(lines) > _MOST_LINES:
            lines[_MOST_LINES:] = [f"and {len(lines) - _MOST_LINES} more; mend these first"]
        _say("\n".join(f"maos-sup: {line}" for line in lines))
        return error.exit_code
    if isinstance(error, FileNotFoundError) and _is_nowhere():
        _say("maos-sup: the current folder was removed; go to one that is there: cd")
        return USAGE
    # `Path.resolve` before Python 3.13 says so of links in a circle.
    cause = error.__context__ if type(error) is RuntimeError else error
    if isinstance(cause, OSError) and cause.errno in _OF_PLACES and isinstance(cause.filename, str | Path):
        _say(f"maos-sup: {storage_error('look at it', Path(cause.filename), cause)}")
        return StorageError.exit_code
    _report_bug(error, debug=debug)
    return BUG


def _is_nowhere() -> bool:
    """The current folder is gone."""
    try:
        os.getcwd()  # noqa: PTH109 - Path.cwd() may remember
    except FileNotFoundError:
        return True
    return False


def _report_bug(error: Exception, *, debug: bool) -> None:
    import traceback

    text = "".join(traceback.format_exception(error))
    if debug:
        _say(text.rstrip())
    where = "shown above" if debug else f"kept in {_kept(text)}; --debug shows it"
    _say(f"maos-sup: this is a bug: {type(error).__name__}: {error} (traceback {where})")


def _kept(text: str) -> str:
    """Write a traceback where it will be found; the path. Never raises: it reports another error."""
    import tempfile
    from pathlib import Path

    from state_layout.errors import LayoutError
    from state_layout.files.atomic import create_once
    from state_layout.files.looking import is_link
    from state_layout.files.reading import is_folder

    for folder in (_traceback_folder, Path(tempfile.gettempdir())):
        if folder is None or not is_folder(folder) or (is_link(folder) and folder is _traceback_folder):
            continue
        path = folder / f"traceback-{time.time_ns()}.txt"
        try:
            create_once(path, text.encode("utf-8", "replace"))
        except LayoutError:
            continue
        return str(path)
    return "no file: none could be written"


def _say(text: str) -> None:
    shown = "".join(character for character in text if character.isprintable() or character in "\n\t")
    try:
        print(shown, file=sys.stderr, flush=True)
    except OSError:
        return
