"""A plan of a model in a terminal: shown, approved, edited, refused, interrupted."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from threading import Event

import pytest
from living import the_tree, wait_for
from terminal import PATIENCE_S, Terminal
from words import COMMANDS, REQUEST, Model

from maos_sup.loopback.reply import ReplyPace, ScriptedReply, call, fail
from maos_sup.loopback.request import LoopbackRequest
from maos_sup.loopback.server import LoopbackServer
from maos_sup.views.status import status_of
from state_layout.tree import list_trees

ASKED = "run it? [y]es, [v]iew, [e]dit, [n]o:"


def editor(folder: Path, *lines: str) -> str:
    """An editor that does these lines of shell, one at each call, to its file `$1`."""
    path = folder / "editor.sh"
    cases = "\n".join(f"{number}) {line} ;;" for number, line in enumerate(lines, start=1))
    path.write_text(
        f'#!/bin/sh\necho x >> {folder}/calls\ncase $(wc -l < {folder}/calls | tr -d " ") in\n{cases}\nesac\n'
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def waiting(home: Path) -> list[Path]:
    """The plans that wait."""
    return sorted((home / "plans").glob("*-[0-9a-f]*.toml"))


def test_plan_is_shown_and_runs_after_a_yes(home: Path, project: Path, server: LoopbackServer) -> None:
    with Terminal("run", REQUEST, cwd=project) as terminal:
        terminal.wait_for(ASKED)
        for part in ("dev    anthropic claude-sonnet-4-6", "o  do    dev    Do it", "You are a reviewer"):
            assert part in terminal.text
        assert "may spend without end; max_cost_usd under [budget] sets one" in terminal.text
        assert not list_trees(home)
        assert "[[tasks]]" not in terminal.text
        terminal.type("v")
        terminal.wait_for("[[tasks]]")
        terminal.wait_for(ASKED, times=2)
        terminal.type("perhaps")
        terminal.wait_for(ASKED, times=3)
        terminal.type("y")
        assert terminal.end() == 0
    assert status_of(the_tree(home))["phase"] == "done"


def test_refused_plan_starts_nothing_and_is_not_kept(
    home: Path, project: Path, server: LoopbackServer, model: Model
) -> None:
    with Terminal("run", REQUEST, cwd=project) as terminal:
        terminal.wait_for(ASKED)
        terminal.type("no")
        assert terminal.end() == 130
        assert "refused; nothing was started" in terminal.text
    assert list_trees(home) == []
    assert [*(home / "plans").iterdir()] == []


def test_edited_plan_is_checked_and_edited_again(
    home: Path, project: Path, server: LoopbackServer, tmp_path: Path
) -> None:
    spoil = "sed -i s/anthropic/antropic/ $1"
    mend = "sed -i -e s/antropic/anthropic/ -e 's/Do it/Do it well/' $1"
    environment = {"VISUAL": "", "EDITOR": editor(tmp_path, spoil, mend)}
    with Terminal("run", REQUEST, cwd=project, **environment) as terminal:
        terminal.wait_for(ASKED)
        terminal.type("e")
        terminal.wait_for("[e]dit again, [n]o:")
        assert "is 'antropic', which is no kind here; did you mean 'anthropic'?" in terminal.text
        assert ".toml:" in terminal.text
        terminal.type("y")  # a bad plan cannot be approved
        terminal.wait_for("[e]dit again, [n]o:", times=2)
        terminal.type("e")
        terminal.wait_for(ASKED, times=2)
        assert "Do it well" in terminal.text
        terminal.interrupt()
        assert terminal.end() == 130
    assert "Do it well" in waiting(home)[0].read_text()


def test_editor_that_is_not_there_is_said(home: Path, project: Path, server: LoopbackServer) -> None:
    with Terminal("run", REQUEST, cwd=project, VISUAL="no-such-editor") as terminal:
        terminal.wait_for(ASKED)
        terminal.type("e")
        terminal.wait_for("the editor 'no-such-editor' cannot be started")
        terminal.wait_for(ASKED, times=2)
        terminal.type("n")
        assert terminal.end() == 130


def test_programs_are_shown_in_the_open(
    home: Path, project: Path, server: LoopbackServer, model: Model
) -> None:
    model.plans = [call("propose_plan", COMMANDS)]
    with Terminal("run", REQUEST, cwd=project, NO_COLOR="") as terminal:
        terminal.wait_for(ASKED)
        assert "\x1b[1;31mThese would run as you, unconfined:" in terminal.seen
        assert "lint: true" in terminal.text
        terminal.type("n")
        assert terminal.end() == 130


@pytest.mark.parametrize("how", ["interrupt", "kill"])
def test_plan_that_was_not_answered_waits(
    home: Path, project: Path, server: LoopbackServer, model: Model, how: str
) -> None:
    with Terminal("run", REQUEST, cwd=project) as terminal:
        terminal.wait_for(ASKED)
        if how == "interrupt":
            terminal.interrupt()
            assert terminal.end() == 130
        else:
            terminal.process.kill()
    (plan,) = waiting(home)
    with Terminal("run", REQUEST, cwd=project) as terminal:
        terminal.wait_for(ASKED)
        assert f"delete {plan} to have it planned anew" in terminal.text.replace("\r\n", "")
        terminal.type("n")
        assert terminal.end() == 130
    assert model.asked == 1


def test_something_moves_while_a_model_plans(home: Path, project: Path, server: LoopbackServer) -> None:
    script, may_answer = server.script, Event()

    def slow(request: LoopbackRequest) -> ScriptedReply:
        may_answer.wait(PATIENCE_S)
        return script(request)

    server.script = slow
    try:
        with Terminal("run", REQUEST, cwd=project) as terminal:
            terminal.wait_for("planning with claude-sonnet-4-6 ...")
            for seconds in ("0:00:01", "0:00:02"):
                terminal.wait_for(seconds)
            assert ASKED not in terminal.text
            may_answer.set()
            terminal.wait_for(ASKED)
            assert re.search(r"\x1b\[2K *$", terminal.seen.partition("planned by")[0]), "the line stays"
    finally:
        may_answer.set()


@pytest.mark.parametrize("slow", ["answer", "wait"])
def test_interrupt_while_planning_ends_it(
    home: Path, project: Path, server: LoopbackServer, model: Model, slow: str
) -> None:
    model.plans = [
        ScriptedReply(
            content=({"type": "text", "text": "x" * 4000},), pace=ReplyPace(chunk_chars=1, chunk_delay_s=1.0)
        )
        if slow == "answer"
        else fail(429, retry_after_s=100)
    ]
    with Terminal("run", REQUEST, cwd=project) as terminal:
        wait_for(lambda: model.asked)
        if slow == "wait":
            terminal.wait_for("asking again in")
        terminal.interrupt()
        assert terminal.end() == 130, terminal.text
        assert "planning was interrupted; nothing was started" in terminal.text
        assert "Traceback" not in terminal.text
    assert list_trees(home) == []


def test_nobody_at_the_terminal_is_no_yes(home: Path, project: Path, server: LoopbackServer) -> None:
    with Terminal("run", REQUEST, cwd=project) as terminal:
        terminal.wait_for(ASKED)
        terminal.type("\x04", end="")  # Ctrl+D
        assert terminal.end() == 130
    assert list_trees(home) == []
    assert waiting(home)
