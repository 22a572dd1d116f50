"""A tree without a supervisor; lives of its agents as real processes, forked here: each costs little.

The stage says that it is the supervisor (by a handle), so that no agent starts a real one.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from maos_sup.agents.runner import main
from state_layout.check import check
from state_layout.files import codec, disk
from state_layout.files.journal import Reader
from state_layout.host.identity import own_handle, tree_place
from state_layout.lives.attempts import read_exit, recall
from state_layout.lives.history import History
from state_layout.specs.edit import edit_spec
from state_layout.tree.making import create_tree

Value = TypeVar("Value")
QUICK = {"save_s": 0.05, "checkpoint_s": 120, "beat_s": 0.1, "tick_s": 0.2}


def wait_for(condition: Callable[[], Value], what: str, *, deadline_s: float = 75.0) -> Value:
    """Ask until it is true; its value then."""
    end_s = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end_s, f"after {deadline_s:g} s still not: {what}"
        time.sleep(0.01)
    return value


class Life:
    """One process life that runs, or ran."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def wait(self, *, deadline_s: float = 100.0) -> int:
        """Its exit code, negative for a signal; killed if it does not end in time."""
        end_s = time.monotonic() + deadline_s
        while self.is_running():
            if time.monotonic() > end_s:
                self.signal(signal.SIGKILL)
                raise AssertionError(f"the agent still lives after {deadline_s:g} s")
            time.sleep(0.005)
        assert self._code is not None
        return self._code

    def is_running(self) -> bool:
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code is None

    def signal(self, number: int) -> None:
        if self.is_running():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and its end."""
        self.signal(signal.SIGKILL)
        self.wait()


class Stage:
    """A tree at `folder`/tree with `agents` and `tasks` (by default one of its name for each agent)."""

    def __init__(
        self,
        folder: Path,
        agents: dict[str, dict[str, Any]],
        tasks: dict[str, dict[str, Any]] | None = None,
        *,
        files: dict[str, str] | None = None,
        **orchestration: Any,
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.outside = folder, folder / "outside"
        self.outside.mkdir()
        head = {"id": "stage", "request": "test", "want": "run", "intervals": QUICK}
        if tasks is None:
            tasks = {name: {"agent": name, "description": f"Do {name}"} for name in agents}
        self.tree = create_tree(
            folder / "tree",
            orchestration={**head, **orchestration},
            agents={
                name: agent | {"env": {"OUT": str(self.outside), **agent.get("env", {})}}
                for name, agent in agents.items()
            },
            tasks=tasks,
            files={name: self._source(name, text) for name, text in (files or {}).items()},
        )
        self.root = self.tree.root
        self.lives: list[Life] = []
        self.pretend_supervised()

    def pretend_supervised(self) -> None:
        """Have agents believe that a supervisor lives."""
        self.tree.run.mkdir(exist_ok=True)
        self.tree.host.write_bytes(codec.encode(tree_place(self.tree)))
        self.tree.supervisor_handle.write_bytes(codec.encode(own_handle(0).to_json()))

    # -- lives

    def live(self, agent: str, *, tap: disk.Tap | None = None) -> Life:
        """Begin a life of `agent`; with a `tap` on its disk."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the test runner may have threads
            pid = os.fork()
        if pid == 0:
            self._be(agent, tap)
        life = Life(pid)
        self.lives.append(life)
        return life

    def run(self, agent: str, *, deadline_s: float = 100.0) -> int:
        """A whole life; its exit code."""
        return self.live(agent).wait(deadline_s=deadline_s)

    def die_at(self, agent: str, operation: int, *, deadline_s: float = 100.0) -> bool:
        """A life that is killed just before its disk operation of this number; whether it came so far."""
        seen = 0

        def tap(name: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            seen += 1
            if seen >= operation:
                os.kill(os.getpid(), signal.SIGKILL)

        return self.live(agent, tap=tap).wait(deadline_s=deadline_s) == -signal.SIGKILL

    def end_lives(self) -> None:
        """Kill the agents that are left."""
        for life in self.lives:
            if life.is_running():
                life.kill()

    def _be(self, agent: str, tap: disk.Tap | None) -> None:
        code = 99
        try:
            os.setsid()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
                signal.signal(number, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, 0)
            log = os.open(self.folder / "agents.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.closerange(3, 200)
            sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
            sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
            disk.tap(tap)
            code = main(str(self.root), agent)
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:  # noqa: BLE001 - the edge of the child
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)

    # -- looking

    def history(self, agent: str) -> History:
        """Everything the agent's journals say."""
        return recall(self.tree, agent).history

    def exit(self, agent: str, attempt: int = 1) -> dict[str, Any]:
        found = read_exit(self.tree, agent, attempt)
        assert found is not None, f"attempt {attempt} of {agent} left no word; {self.log()}"
        return found

    def status(self, agent: str) -> dict[str, Any]:
        try:
            value: dict[str, Any] = json.loads(self.tree.agent(agent).status.read_text())
        except FileNotFoundError:
            return {}
        return value

    def stdout(self, agent: str, attempt: int = 1) -> str:
        return self._text(self.tree.agent(agent).attempt(attempt).stdout)

    def stderr(self, agent: str, attempt: int = 1) -> str:
        return self._text(self.tree.agent(agent).attempt(attempt).stderr)

    def lines(self, agent: str, type_: str, attempt: int = 1) -> list[dict[str, Any]]:
        """The journal lines of a type."""
        lines = Reader(self.tree.agent(agent).attempt(attempt).journal).read()
        return [fields for line in lines if (fields := line.fields())["type"] == type_]

    def mail(self, to: str, sender: str) -> list[dict[str, Any]]:
        reader = Reader(self.tree.mail_file(to, sender))
        lines = [line.fields() for line in reader.read()]
        assert reader.damage is None
        return lines

    def problems(self) -> list[str]:
        """List what `check` finds that needs a person, but for the supervisor's life, which a stage lacks."""
        found = [
            each
            for each in check(self.tree)
            if each.severity == "problem" and each.finding != "lives_missing"
        ]
        return [f"{each.path}: {each.what}" for each in found]

    def log(self) -> str:
        return self._text(self.folder / "agents.log")

    def _text(self, path: Path) -> str:
        return path.read_text() if path.exists() else ""

    # -- the outside

    def words(self, name: str) -> list[str]:
        """The lines that programs left in a file outside the tree."""
        return self._text(self.outside / name).splitlines()

    def wait_word(self, name: str) -> list[str]:
        return wait_for(lambda: self.words(name), f"a word in {name}; {self.log()}")

    def edit(self, rel: str, **changes: Any) -> None:
        """Edit a spec file as the command line does."""
        edit_spec(self.tree, self.tree.spec / rel, lambda value: {**value, **changes})

    def _source(self, name: str, text: str) -> Path:
        path = self.folder / "sources" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        path.chmod(0o700)
        return path


def marked_pids(*roots: Path) -> list[int]:
    """Living processes with MAOS_DIR of one of these trees in their environment."""
    wanted = {b"MAOS_DIR=" + os.fsencode(root) for root in roots}
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - names only
        if name.isdecimal() and int(name) != os.getpid():
            try:
                if wanted & set(Path(f"/proc/{name}/environ").read_bytes().split(b"\0")):
                    found.append(int(name))
            except OSError:
                continue
    return found


def kill_marked(roots: list[Path]) -> list[int]:
    """Kill what programs of these trees left; what there was."""
    found = marked_pids(*roots)
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return found


def operations() -> Iterator[int]:
    """The disk operations at which to die: every one in the long form of the tests, else one in five."""
    return itertools.count(1, 1 if "MAOS_SUP_TORTURE_ROUNDS" in os.environ else 5)


def shell(line: str, **more: Any) -> dict[str, Any]:
    """An agent that runs a line of shell."""
    return {"kind": "command", "shell": line, **more}


def python(callable_: str = "work:main", **more: Any) -> dict[str, Any]:
    """An agent that runs a callable."""
    return {"kind": "python", "callable": callable_, **more}
