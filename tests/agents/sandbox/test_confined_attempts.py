"""What confined commands try, for each kind under each sandbox: nothing of it comes through.

The attempts are harmless and stand in `attempts.sh`; `docs/sandbox.md` says what they stand for.
"""

from __future__ import annotations

import os
import pty
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from processes import can_bubblewrap
from ready import is_ready
from stage import Stage

import maos_sup
from maos_sup.agents.sandbox import landlock
from maos_sup.agents.sandbox.confine import can_part
from maos_sup.loopback.reply import ScriptedReply, call, say
from maos_sup.loopback.request import LoopbackRequest
from maos_sup.loopback.server import LoopbackServer

Make = Callable[..., Stage]
KINDS = ("anthropic", "claude", "cli")
SANDBOXES = [
    pytest.param("landlock", marks=pytest.mark.skipif(not landlock.abi(), reason="no Landlock here")),
    pytest.param("bubblewrap", marks=pytest.mark.skipif(not can_bubblewrap(), reason="no bwrap works here")),
]
ATTEMPTS = (Path(__file__).parent / "attempts.sh").read_text()
PRICE = {"input": 1.0, "output": 1.0, "cache_read": 1.0, "cache_write": 1.0}
KEYS = {"ANTHROPIC_API_KEY": "sk-ant-dummy", "PROBE_API_KEY": "no-real-key-0123456789"}
PRIVATE = "private-text-of-the-user"
pytestmark = pytest.mark.timeout(600)
DEADLINE_S = 540.0  # Claude Code takes its time on a loaded machine
INSTALL = Path(maos_sup.__file__).parent


@cache
def claude() -> str | None:
    """Find the real Claude Code."""
    modules = Path(__file__).resolve().parents[3] / ".venv" / "claude-code" / "node_modules"
    native = sorted(str(path) for path in modules.glob("@anthropic-ai/claude-code-*/claude"))
    return next(iter(native), os.environ.get("MAOS_SUP_CLAUDE"))


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """A terminal of the user's: its master, and its name."""
    master, slave = pty.openpty()
    yield master, os.ttyname(slave)
    os.close(master)
    os.close(slave)


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[LoopbackRequest], ScriptedReply]], str]]:
    """Start servers of a model; the URL of each."""
    servers: list[LoopbackServer] = []

    def start(script: Callable[[LoopbackRequest], ScriptedReply]) -> str:
        servers.append(LoopbackServer(script))
        servers[-1].start()
        return servers[-1].url

    yield start
    for server in servers:
        server.stop()


def running(kind: str, lines: list[str], url: Callable[..., str], **more: Any) -> dict[str, Any]:
    """An agent of `kind` whose commands are `lines`, one after the other."""
    if kind == "cli":
        return {"kind": "cli", "start_argv": ["/bin/bash", "-c", "\n".join(lines)], **more}
    name = "bash" if kind == "anthropic" else "Bash"

    def script(request: LoopbackRequest) -> ScriptedReply:
        if request.turn >= len(lines):
            return say("done")
        return call(name, {"command": lines[request.turn], "description": "a step"})

    own = {"kind": kind, "model": "claude-sonnet-4-6", "base_url": url(script), "price": PRICE}
    env = KEYS | more.pop("env", {})
    return own | ({"program": claude()} if kind == "claude" else {}) | more | {"env": env}


def skip_without_program(kind: str) -> None:
    if kind == "claude" and claude() is None:
        pytest.skip("Claude Code is not installed")


def control(kind: str) -> str:
    """Say how its commands write control lines: Claude Code hands no descriptors on."""
    return '&"$MAOS_CONTROL_FD"' if kind == "anthropic" else '> "$MAOS_CONTROL"'


def environment(terminal: str) -> dict[str, str]:
    return {"TTY": terminal, "INSTALL": str(INSTALL), "PID": str(os.getpid())}


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_confined_commands_try_comes_through(
    stage: Make, serve: Any, terminal: tuple[int, str], kind: str, sandbox: str
) -> None:
    skip_without_program(kind)
    master, name = terminal
    agents = {
        "ann": running(kind, [ATTEMPTS], serve, sandbox=sandbox, env=environment(name)),
        "bob": {"kind": "command", "command": ["true"]},
    }
    one = stage(agents)
    (one.outside / "private").write_text(PRIVATE)
    before = (one.tree.spec / "orchestration.json").read_bytes()
    assert one.live("ann").wait(deadline_s=DEADLINE_S) == 0, one.log()
    planted = INSTALL / "planted.py"
    was_planted = planted.exists()
    planted.unlink(missing_ok=True)
    assert not was_planted
    assert (one.tree.agent("ann").workspace / "reached").read_text() == "begun\n"
    assert [path.name for path in one.outside.iterdir()] == ["private"]
    assert (one.tree.spec / "orchestration.json").read_bytes() == before
    assert not is_ready(master)


@pytest.mark.parametrize("kind", KINDS)
def test_modes_of_files_elsewhere_cannot_be_changed(stage: Make, serve: Any, kind: str) -> None:
    skip_without_program(kind)
    if not can_part():
        pytest.skip("no mount namespace here: Landlock alone does not keep modes")
    one = stage(
        {
            "ann": running(
                kind, ["chmod 777 $OUT/private; touch $MAOS_WORKSPACE/ran"], serve, sandbox="landlock"
            )
        }
    )
    (one.outside / "private").write_text(PRIVATE)
    (one.outside / "private").chmod(0o600)
    assert one.live("ann").wait(deadline_s=DEADLINE_S) == 0, one.log()
    assert (one.tree.agent("ann").workspace / "ran").exists()
    assert (one.outside / "private").stat().st_mode & 0o777 == 0o600


SEND = '{"send":{"to":"bob","text":"unapproved"}}'
SPAWN = '{"call":{"id":"c1","name":"spawn_task","input":{"description":"unapproved","agent":"bob"}}}'


@pytest.mark.parametrize("kind", ["anthropic", "claude"])
@pytest.mark.parametrize(
    "settings",
    [
        {"approve": ["send_message", "spawn_task", "report_discovery"]},
        {"anthropic": {"tools": ["bash"]}, "claude": {"team": False}},
    ],
)
def test_control_lines_do_no_more_than_the_tools_may(
    stage: Make, serve: Any, kind: str, settings: dict[str, Any]
) -> None:
    skip_without_program(kind)
    lines = [SEND, SPAWN, '{"discovery":"unapproved"}']
    command = "\n".join(f"printf '%s\\n' '{line}' >{control(kind)}" for line in lines)
    agents = {
        "ann": running(kind, [f"{command}\nsleep 1"], serve, **settings.get(kind, settings)),
        "bob": {"kind": "command", "command": ["true"]},
    }
    one = stage(agents)
    assert one.live("ann").wait(deadline_s=DEADLINE_S) == 0, one.log()
    assert not list(one.tree.mail.glob("*/ann.jsonl"))
    assert not list(one.tree.task_specs.glob("ann-*"))
    told = [*one.lines("ann", "warning"), *one.lines("ann", "asked"), *one.lines("ann", "called")]
    assert len(told) >= 2


@pytest.mark.parametrize("kind", KINDS)
def test_artifacts_are_only_of_what_the_command_may_read(stage: Make, serve: Any, kind: str) -> None:
    skip_without_program(kind)
    command = f"""
    cd $MAOS_WORKSPACE; ln -s $OUT/private link; ln -s $OUT folder; echo mine > mine
    for path in $OUT/private link folder/private $MAOS_WORKSPACE/folder/private /proc/self/environ \
        /proc/$PPID/root$OUT/private $MAOS_DIR/spec/../../outside/private mine; do
      printf '{{"artifact":"%s"}}\\n' "$path" >{control(kind)}
    done; sleep 1"""
    more = {"sandbox": "landlock" if landlock.abi() else "bubblewrap"}
    one = stage({"ann": running(kind, [command], serve, **more)})
    (one.outside / "private").write_text(PRIVATE)
    assert one.live("ann").wait(deadline_s=DEADLINE_S) == 0, one.log()
    artifacts = one.tree.agent("ann").artifacts
    assert [path.name for path in artifacts.iterdir()] == ["mine"]
    assert len(one.lines("ann", "warning")) >= 7


VARIABLES = [
    "LD_DEBUG=statistics LD_DEBUG_OUTPUT=$OUT/made",
    "PYTHONPATH=$PWD PYTHONSTARTUP=$PWD/sitecustomize.py PYTHONUSERBASE=$PWD PYTHONHOME=/nowhere",
    "BASH_ENV=$MAOS_WORKSPACE/planted ENV=$MAOS_WORKSPACE/planted SHELLOPTS=xtrace PS4='$(touch $OUT/made)'",
]


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize("variables", VARIABLES)
def test_what_a_command_exports_is_not_in_force_where_the_next_is_confined(
    stage: Make, serve: Any, sandbox: str, variables: str
) -> None:
    plant = "cd $MAOS_WORKSPACE; echo 'touch $OUT/made' > planted; echo 'open(\"'$OUT'/made\", \"w\")' > "
    first = f"{plant} sitecustomize.py; export {variables}"
    one = stage(
        {"ann": running("anthropic", [first, "true", "env python3 -c 1; true"], serve, sandbox=sandbox)}
    )
    assert one.live("ann").wait(deadline_s=DEADLINE_S) == 0, one.log()
    assert [*one.outside.iterdir()] == []
    assert len(one.lines("ann", "tool_result")) == 3
