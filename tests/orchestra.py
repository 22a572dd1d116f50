"""Runs a real orchestration for a test: writes its plan, calls the command line, looks, waits, cleans up.

The command line is called as people call it (`python -m maos_sup ...`). Everything that is started has the
test's own variable in its environment, so whatever is left over is found, and ended, after the test.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from processes import command_line, is_running, kill, with_mark, with_variable

from maos_sup.views.status import status_of
from state_layout.host.identity import read_handle
from state_layout.host.marks import mark_prefix
from state_layout.paths import Tree

REPOSITORY = Path(__file__).resolve().parents[1]
VARIABLE = "MAOS_SUP_TEST"
POLL_S = 0.02
PATIENCE = 5.0  # times as long as an idle machine needs: other work may have the processors
QUICK = {"beat_s": 0.2, "tick_s": 0.2, "save_s": 0.2}  # intervals of tests
Value = TypeVar("Value")
Command = subprocess.CompletedProcess[str]


def wait_for(
    condition: Callable[[], Value],
    what: str,
    *,
    deadline_s: float = 20.0,
    told: Callable[[], str] | None = None,
) -> Value:
    """Ask `condition` until it is true; its value.

    Fails if `what` does not come within PATIENCE times `deadline_s`, the time that an idle machine may need.
    """
    end_s = time.monotonic() + deadline_s * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end_s:
            raise AssertionError(
                f"after {deadline_s * PATIENCE:g} s still not: {what}\n{told() if told else ''}"
            )
        time.sleep(POLL_S)


class Orchestra:
    """One orchestration under test; its plan and programs lie in `folder`, its tree in `folder`/tree."""

    def __init__(self, folder: Path, *, root: Path | None = None, id: str | None = None) -> None:
        self.folder, self.id = folder, id or uuid.uuid4().hex
        self.root = root or folder / "tree"
        self.tree = Tree(self.root)
        self.outside = folder / "outside"  # where programs leave word for the test
        self.outside.mkdir(exist_ok=True)
        self.before = list[str]()  # what stands before each command: to call it on another host, say
        self.python = sys.executable  # what runs the commands
        self.environment = {
            **os.environ,
            VARIABLE: self.id,
            "MAOS_SUP_HOME": str(folder / "home"),
            "PYTHONPATH": str(REPOSITORY),
            "OUT": str(self.outside),
        }

    # -- beginning

    def file(self, name: str, text: str) -> None:
        """Write a file beside the plan."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def plan(self, agents: dict[str, Any], tasks: list[dict[str, Any]] | None = None, **more: Any) -> Path:
        """Write a plan. An agent that is a text is a line of shell; one without tasks gets one."""
        wanted = {name: _agent(value) for name, value in agents.items()}
        busy = {task["agent"] for task in tasks or []}
        for name, agent in wanted.items():
            if name not in busy:
                agent.setdefault("task", f"do what {name} does")
        plan = {"request": "test", **more, "agents": wanted, "tasks": tasks or []}
        plan["intervals"] = {**QUICK, **more.get("intervals", {})}
        path = self.folder / "plan.json"
        path.write_text(json.dumps(plan, indent=1))
        return path

    def start(
        self,
        agents: dict[str, Any],
        tasks: list[dict[str, Any]] | None = None,
        *,
        starts: bool = True,
        **more: Any,
    ) -> None:
        """`run --detach`; or only make the tree."""
        plan = self.plan(agents, tasks, **more)
        how = "--detach" if starts else "--no-start"
        self.cli("run", str(plan), "--dir", str(self.root), how, expect=0)

    def run(self, agents: dict[str, Any], tasks: list[dict[str, Any]] | None = None, **more: Any) -> Command:
        """`run` until it comes to rest."""
        return self.cli("run", str(self.plan(agents, tasks, **more)), "--dir", str(self.root))

    def resume(self) -> None:
        """`resume --detach`."""
        self.cli("resume", str(self.root), "--detach", expect=0)

    # -- the command line

    def cli(self, *arguments: str, expect: int | None = None, timeout_s: float = 60.0) -> Command:
        """Call maos-sup; with `expect` its exit code is asserted."""
        done = subprocess.run(
            [*self.before, self.python, "-m", "maos_sup", *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout_s * PATIENCE,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if expect is not None and done.returncode != expect:
            words = f"{' '.join(arguments)}: exit code {done.returncode}, not {expect}"
            raise AssertionError(f"{words}\n{done.stdout}\n{done.stderr}\n{self.told()}")
        return done

    def call(self, *argv: str) -> Command:
        """Call another command in the same environment."""
        return subprocess.run(
            [*self.before, *argv],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def do(self, verb: str, *arguments: str) -> str:
        """Call a command on this tree that must succeed; what it printed."""
        return self.cli(verb, str(self.root), *arguments, expect=0).stdout

    def example(self, name: str, folder: Path) -> str:
        """Run the shipped example `name` in `folder`, with no key of anybody; what it printed."""
        given = {key: value for key, value in self.environment.items() if not key.startswith("ANTHROPIC")}
        done = subprocess.run(
            ["sh", str(REPOSITORY / "examples" / name / "run.sh"), str(folder)],
            env={**given, "PYTHON": sys.executable},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.told()}"
        return done.stdout

    def begin_cli(self, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        """Call maos-sup without waiting for it, in a session of its own."""
        return subprocess.Popen(
            [*self.before, self.python, "-m", "maos_sup", *arguments],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **more,
        )

    def delete_run(self) -> None:
        """Delete `run/`, at once: its writers make it again while it is being emptied."""
        with suppress(FileNotFoundError):
            self.tree.run.rename(self.folder / "run-that-was")
            shutil.rmtree(self.folder / "run-that-was")

    # -- looking

    def status(self) -> dict[str, Any]:
        return status_of(self.tree)

    def phase(self) -> str:
        return str(self.status()["phase"])

    def agent(self, name: str) -> dict[str, Any]:
        return _named(self.status()["agents"], "name", name)

    def task(self, id_: str) -> dict[str, Any]:
        return _named(self.status()["tasks"], "id", id_)

    def pids(self) -> dict[str, int]:
        """The living agents and their processes."""
        return {agent["name"]: agent["pid"] for agent in self.status()["agents"] if agent["pid"]}

    def attempts(self) -> dict[str, int]:
        return {agent["name"]: agent["attempt"] for agent in self.status()["agents"]}

    def program(self, name: str) -> int | None:
        """The process of the program that an agent runs, while it lives."""
        handle = read_handle(self.tree.handle(name))
        pid = handle.program_pid if handle is not None else None
        return pid if pid is not None and is_running(pid) else None

    def supervisor(self) -> int | None:
        """The process of the living supervisor."""
        pid: int | None = self.status()["supervisor"]["pid"]
        return pid

    def output(self, name: str) -> str:
        """Read what an agent's programs wrote, all attempts."""
        return "".join(path.read_text() for path in in_order(self.tree.agent(name).attempts, "stdout.log"))

    def word(self, name: str) -> str | None:
        """Read what a program left in the file `name` outside the tree; None before it did."""
        path = self.outside / name
        return path.read_text() if path.exists() else None

    def say(self, name: str, text: str = "") -> None:
        """Leave word for the programs."""
        path = self.outside / name
        path.with_suffix(".part").write_text(text)
        path.with_suffix(".part").rename(path)

    def events(self, *types: str) -> list[dict[str, Any]]:
        """List what the supervisors journaled, of these types."""
        texts = [path.read_text() for path in in_order(self.tree.lives, "journal.jsonl")]
        lines = [json.loads(line) for text in texts for line in text[: text.rfind("\n") + 1].splitlines()]
        return [line for line in lines if line["type"] in types]

    # -- waiting

    def wait(self, condition: Callable[[], Value], what: str, *, deadline_s: float = 20.0) -> Value:
        """`wait_for`; on failure tells how the tree stands."""
        return wait_for(condition, what, deadline_s=deadline_s, told=self.told)

    def wait_rest(self, phase: str, *, deadline_s: float = 30.0) -> dict[str, Any]:
        """Wait until it has come to rest in `phase`, its supervisor gone; the status then."""
        self.wait(
            lambda: self.phase() == phase and not self.status()["counts"]["alive"] and not self.supervisor(),
            f"at rest, {phase}",
            deadline_s=deadline_s,
        )
        return self.status()

    def wait_alive(self, *names: str) -> dict[str, int]:
        """Wait until these agents live and are at work (all, by default); their processes."""

        def at_work() -> bool:
            agents = [agent for agent in self.status()["agents"] if not names or agent["name"] in names]
            return all(agent["pid"] and agent["task"] for agent in agents)

        self.wait(at_work, f"at work: {', '.join(names) or 'all'}")
        return self.pids()

    def wait_word(self, name: str, *, deadline_s: float = 20.0) -> str:
        """Wait until a program left the file `name`; its text."""
        self.wait(lambda: self.word(name) is not None, f"the file {name} outside", deadline_s=deadline_s)
        return self.word(name) or ""

    # -- the end

    def marked(self) -> dict[int, str]:
        """Living processes with a mark of this very tree."""
        return with_mark(mark_prefix(self.tree)) if self.root.exists() else {}

    def leftovers(self) -> dict[int, str]:
        """Everything still running that the test started, by whatever way."""
        return {pid: command_line(pid) for pid in with_variable(f"{VARIABLE}={self.id}") | {*self.marked()}}

    def assert_nothing_left(self) -> None:
        """Nothing of this tree runs any more."""
        wait_for(lambda: not self.leftovers(), "nothing left over", told=lambda: f"{self.leftovers()}")

    def assert_sound(self) -> None:
        """`check` finds nothing wrong."""
        done = self.cli("check", str(self.root))
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"

    def end_all(self) -> None:
        """Kill whatever is left, until nothing is."""

        def is_over() -> bool:
            left = self.leftovers()
            kill(*left)
            return not left

        wait_for(is_over, "the end of all that was started", told=lambda: f"{self.leftovers()}")

    def told(self) -> str:
        """Say how the tree stands, for who reads a failed test."""
        try:
            status = self.status()
        except Exception as error:  # noqa: BLE001 - a failed test is to be told whatever can be told
            return f"no status: {error!r}"
        keys = ("name", "phase", "pid", "attempt", "task", "reason", "last_line")
        lines = [f"phase={status['phase']} supervisor={status['supervisor']} notes={status['notes']}"]
        lines += [str({key: agent[key] for key in keys}) for agent in status["agents"]]
        keys = ("id", "phase", "run", "error")
        lines += [str({key: task[key] for key in keys}) for task in status["tasks"]]
        lines += [str(error) for error in status["spec_errors"]]
        if self.tree.supervisor_log.exists():
            lines += ["run/supervisor.log:", *self.tree.supervisor_log.read_text().splitlines()[-40:]]
        return "\n".join(lines)


class PlacedOrchestra(Orchestra):
    """An orchestration whose agents a cluster places, if its plan says nothing else."""

    def plan(self, agents: dict[str, Any], tasks: list[dict[str, Any]] | None = None, **more: Any) -> Path:
        wanted = {name: _agent(value) for name, value in agents.items()}
        for agent in wanted.values():
            agent["env_from"] = {"OUT": "OUT", **agent.get("env_from", {})}
        place = {"launcher": "slurm", "place": {"mem_gib": 0.1}}
        return super().plan(wanted, tasks, **{**place, **more})


def in_order(folder: Path, name: str) -> list[Path]:
    """The files called `name` in the numbered folders of `folder`, by number."""
    return sorted(folder.glob(f"*/{name}"), key=lambda path: int(path.parent.name))


def _agent(value: Any) -> dict[str, Any]:
    return {"kind": "command", "shell": value} if isinstance(value, str) else dict(value)


def _named(entries: list[dict[str, Any]], key: str, name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry[key] == name)
