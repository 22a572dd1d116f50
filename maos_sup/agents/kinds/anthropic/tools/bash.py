"""Tool `bash`: a command in the workspace, confined, with a limit on time and output.

Every command is a process of its own; the current folder and the exported variables are carried from one to
the next through the journal, so they survive a crash as the conversation does. What a command leaves running
in the background lives until the task ends. Output goes to a file without a name: nothing blocks on a pipe.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from maos_sup.agents.endings import SOFT
from maos_sup.agents.kinds.anthropic.desk import ConversationDesk
from maos_sup.agents.kinds.anthropic.tools.base import BadCall, Result, VerbCall, schema, text_property
from maos_sup.agents.secrets.redaction import is_secret_name
from maos_sup.system.targets import hold_child
from state_layout.files.looking import is_dir

if TYPE_CHECKING:
    from maos_sup.agents.kinds.anthropic.entries import ShellLeft

_MOST_OUTPUT_BYTES = 1 << 28  # on disk; a command that writes more is ended
_MOST_VARIABLES_BYTES = 1 << 15
_LOOK_S, _BLIND_LOOK_S = 1.0, 0.05  # the second: where the system does not tell of its end
_OWN_VARIABLES = frozenset({"_", "PWD", "OLDPWD", "SHLVL", "COMMAND_FD", "LEFT_FD"})
_SCRIPT = (
    'trap \'code=$?; { printf "%s\\0" "$PWD"; env -0; } >&"$LEFT_FD"; exit $code\' EXIT; '
    'eval "$(cat <&"$COMMAND_FD")"'
)
_SHELL = ("/bin/bash", "--noprofile", "--norc", "-c", _SCRIPT)


class BashTool:
    """Runs commands."""

    name = "bash"

    def definition(self, desk: ConversationDesk, *, plain: bool) -> dict[str, object]:
        if not plain:
            return {"type": "bash_20250124", "name": self.name}
        return {
            "name": self.name,
            "description": (
                "Run a bash command in the workspace. The current folder and exported variables are kept "
                f"between calls. Commands are ended after {desk.settings.tool_timeout_s:g} s."
            ),
            "input_schema": schema(
                command=text_property("the command"),
                restart={"type": "boolean", "description": "forget folder and variables"},
            ),
        }

    def may_repeat(self, call: VerbCall) -> bool:
        return False

    def run(self, desk: ConversationDesk, call: VerbCall) -> Result:
        if call.input.get("restart"):
            return Result(text="the shell begins anew", shell={})
        command = call.text("command", default="")
        if not command.strip():
            raise BadCall("'command' must be the command to run")
        return _Run(desk, command, call.token).result()


class _Run:
    """The object runs one command."""

    def __init__(self, desk: ConversationDesk, command: str, token: str) -> None:
        self._desk, self._command, self._token = desk, command, token
        self._before = desk.environment | dict(desk.talk.shell.get("env") or {})
        self._note: str | None = None

    def result(self) -> Result:
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as left:
            process = self._start(output, left)
            pulse = self._desk.work.pulse
            pulse.children, pulse.may_reap = {process.pid}, True
            try:
                self._await(process, output)
            finally:
                pulse.may_reap = False  # or it might take the end of the next command for an orphan's
                self._end(process)
            text = shown_output(output, self._desk.settings.tool_output_chars)
            shell = self._left(left)
        ending = self._desk.work.life.bell.ending
        if self._note is None and ending is not None and ending not in SOFT:
            self._note = "interrupted: this work was told to end"
        return self._told(process.returncode, text, shell)

    def _start(self, output: IO[bytes], left: IO[bytes]) -> subprocess.Popen[bytes]:
        desk = self._desk
        with tempfile.TemporaryFile() as command:
            command.write(self._command.encode("utf-8", "replace"))
            command.seek(0)
            descriptors = (command.fileno(), left.fileno(), desk.work.life.control_fd)
            environment = self._before | {
                "COMMAND_FD": str(command.fileno()),
                "LEFT_FD": str(left.fileno()),
                "MAOS_CALL": self._token,
            }
            try:
                with desk.sandbox.launch(_SHELL, environment) as launch:
                    return subprocess.Popen(
                        launch.argv,
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=output,
                        cwd=self._folder(),
                        env=launch.environment,
                        pass_fds=(*descriptors, *launch.descriptors),
                        start_new_session=True,
                        umask=desk.work.life.umask,
                    )
            except OSError as cause:
                raise BadCall(f"no command can be started: {cause}") from cause

    def _folder(self) -> Path:
        """Find where the last command left the shell, or where the work begins."""
        folder = (self._desk.folder / self._desk.talk.shell.get("cwd", ".")).resolve()
        return folder if is_dir(folder) and folder.is_relative_to(self._desk.folder) else self._desk.folder

    def _await(self, process: subprocess.Popen[bytes], output: IO[bytes]) -> None:
        """Wait until it ends, its time is over, it writes too much, or this work is to end."""
        work, timeout_s = self._desk.work, self._desk.settings.tool_timeout_s
        deadline_s = time.monotonic() + timeout_s
        target = hold_child(process.pid)
        try:
            while process.poll() is None:
                work.life.beats.progress(deadline_s - time.monotonic() + _LOOK_S)
                ending = work.life.bell.ending
                if ending is not None and ending not in SOFT:
                    return
                if time.monotonic() >= deadline_s:
                    self._note = f"timed out after {timeout_s:g} s and was ended"
                    return
                if os.fstat(output.fileno()).st_size > _MOST_OUTPUT_BYTES:
                    self._note = f"wrote more than {_MOST_OUTPUT_BYTES >> 20} MiB of output and was ended"
                    return
                told = [] if target.pidfd < 0 else [target.pidfd]
                work.wait(told, min(_LOOK_S if told else _BLIND_LOOK_S, deadline_s - time.monotonic()))
        finally:
            target.close()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """End it and its group if it still runs: TERM, a moment, KILL."""
        if process.poll() is not None:
            return
        for number, patience_s in ((signal.SIGTERM, 1.0), (signal.SIGKILL, None)):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience_s)
                break

    def _left(self, left: IO[bytes]) -> ShellLeft | None:
        """Read the folder and changed variables that the command left behind; None if it did not say."""
        left.seek(0)
        parts = left.read(1 << 20).split(b"\0")
        if len(parts) < 2:
            return None
        folder = Path(os.fsdecode(parts[0]))
        found = dict(part.decode("utf-8", "replace").split("=", 1) for part in parts[1:] if b"=" in part)
        changed = {
            name: value
            for name, value in found.items()
            if self._desk.environment.get(name) != value and _is_kept(name)
        }
        if sum(len(name) + len(value) for name, value in changed.items()) > _MOST_VARIABLES_BYTES:
            changed = {}
        shell: ShellLeft = {"env": changed} if changed else {}
        if folder != self._desk.folder and folder.is_relative_to(self._desk.folder):
            shell["cwd"] = str(folder.relative_to(self._desk.folder))
        return shell

    def _told(self, code: int | None, text: str, shell: ShellLeft | None) -> Result:
        lines = [text] if text else []
        refusals = self._desk.work.life.refusals
        while refusals:
            lines.append(f"[refused: {refusals.pop(0)}]")
        if self._note is not None:
            lines.append(f"[{self._note}]")
        elif code:
            lines.append(f"[exit code {code}]" if code > 0 else f"[killed by signal {-code}]")
        elif not lines:
            lines.append("[no output]")
        return Result(text="\n".join(lines), is_error=self._note is not None, shell=shell)


def _is_kept(name: str) -> bool:
    is_own = name in _OWN_VARIABLES or name.startswith(("MAOS_", "BASH_FUNC_"))
    return not is_own and not is_secret_name(name)


def shown_output(output: IO[bytes], most_chars: int) -> str:
    """Show what was written: whole, or its beginning and its end."""
    size = os.fstat(output.fileno()).st_size
    if size <= most_chars:
        return _text(os.pread(output.fileno(), size, 0))
    head, tail = most_chars * 2 // 5, most_chars * 3 // 5
    first, last = os.pread(output.fileno(), head, 0), os.pread(output.fileno(), tail, size - tail)
    return f"{_text(first)}\n[... {size - head - tail} bytes left out ...]\n{_text(last)}"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\0", "\N{SYMBOL FOR NULL}").rstrip("\n")
