"""The full-screen view in a real terminal: keys act, Ctrl+C pauses, `q` leaves."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest
from living import MAOS_SUP, end_all, task_phase, the_tree, wait_for
from pane import Pane

from maos_sup.views.status import status_of

ASKS = f"exec {sys.executable} -m maos_sup agent ask 'sqlite or postgres?'"


@pytest.fixture(autouse=True)
def ended(home: Path) -> Iterator[None]:
    yield
    end_all(home)


def plan(folder: Path) -> Path:
    """Agents that ask, fail and work until there is a file `gate`."""
    path = folder / "plan.toml"
    work = f"echo begun; while [ ! -e {folder}/gate ]; do sleep 0.05; done; echo through"
    agents = {"dba": ASKS, "broken": f"test -e {folder}/mended || exit 7", "worker": work}
    text = 'request = "Refactor it"\n'
    for name, shell in agents.items():
        text += f'[agents.{name}]\nkind = "command"\ntask = "work"\nshell = {json.dumps(shell)}\n'
        text += "restart = { max = 0 }\n"
    path.write_text(text)
    return path


def test_a_question_is_answered_a_failure_tried_again_and_the_end_told(tmp_path: Path, home: Path) -> None:
    with Pane("run", str(plan(tmp_path)), cwd=tmp_path) as pane:
        pane.wait_for("Ctrl+C pauses everything")
        text = pane.wait_for("!  dba", "!  broken", "sqlite or postgres?", "exit code 7")
        rows = [line for line in text.splitlines() if line[3:9] in ("dba   ", "broken", "worker")]
        assert rows[-1].startswith("   worker"), "who wants you comes first"
        assert b"\x07" in pane.raw and b"\x1b]2;" in pane.raw, "a bell, and the title"
        pane.type("a")
        pane.wait_for("sqlite or postgres? >")
        pane.type("postgres\r")
        tree = the_tree(home)
        wait_for(lambda: task_phase(tree, "dba") == "done")
        (tmp_path / "mended").touch()
        pane.wait_for("!  broken")
        pane.type("r")
        wait_for(lambda: task_phase(tree, "broken") == "done")
        (tmp_path / "gate").touch()
        assert pane.end() == 0
        assert "done: 3 of 3 tasks done" in pane.text
        assert b"\x1b[?1049l" in pane.raw, "the terminal is as it was"
    (approval,) = tree.approvals.iterdir()
    assert (approval.suffix, approval.read_text()) == (".yes", "postgres")


def test_q_leaves_it_running_and_says_how_to_come_back(tmp_path: Path, home: Path) -> None:
    with Pane("run", str(plan(tmp_path)), cwd=tmp_path) as pane:
        pane.wait_for("worker", "begun")
        pane.type("q")
        assert pane.end() == 0
        assert "maos-sup attach" in pane.text
    tree = the_tree(home)
    assert status_of(tree)["supervisor"]["alive"] and status_of(tree)["want"] == "run"


def test_ctrl_c_pauses_and_is_told_and_leaves_no_residue(tmp_path: Path, home: Path) -> None:
    with Pane("run", str(plan(tmp_path)), cwd=tmp_path) as pane:
        pane.wait_for("worker", "begun")
        pane.type("\x03")
        assert pane.end() == 130
        assert "^C" not in pane.text and "maos-sup resume" in pane.text.replace("\n", " ")
    assert status_of(the_tree(home))["phase"] == "paused"


def test_attach_reads_resizes_and_leaves_with_ctrl_c(tmp_path: Path, home: Path) -> None:
    subprocess.run([*MAOS_SUP, "run", str(plan(tmp_path)), "--detach"], check=True, capture_output=True)
    tree = the_tree(home)
    wait_for(lambda: task_phase(tree, "worker") == "running")
    with Pane("attach", tree.root.name, cwd=tmp_path, columns=120, rows=40) as pane:
        pane.wait_for("q leaves this view", "!  dba", "begun")
        pane.resize(60, 15)
        pane.wait_for("AGENT", "sqlite or", "q leaves this view")  # head and foot within 15 lines
        pane.type("/work\r")
        pane.wait_until(lambda: "dba" not in agent_rows(pane.text), "others are filtered out")
        pane.type("\r")
        pane.wait_until(
            lambda: "transcript of worker" in pane.text and "AGENT" not in pane.text, "a transcript"
        )
        pane.type("\x1b")  # the table is away: what is typed next is not taken for Alt and a letter
        pane.wait_for("AGENT")
        pane.type("mhello you\r")
        pane.wait_for("sent to worker")
        pane.type("\x03")
        assert pane.end() == 0
    assert "hello you" in tree.mail.joinpath("worker", "operator.jsonl").read_text()
    assert status_of(tree)["want"] == "run"


def test_a_spec_is_edited_in_place_and_a_bad_one_is_refused(tmp_path: Path, home: Path) -> None:
    subprocess.run([*MAOS_SUP, "run", str(plan(tmp_path)), "--detach"], check=True, capture_output=True)
    tree = the_tree(home)
    good, bad = tmp_path / "good.sh", tmp_path / "bad.sh"
    change = (
        "import json,sys; p=sys.argv[1]; s=json.load(open(p)); s['role']='edited'; json.dump(s,open(p,'w'))"
    )
    good.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{change}" "$1"\n')
    bad.write_text('#!/bin/sh\necho \'{"kind": 3}\' > "$1"\n')
    for path in (good, bad):
        path.chmod(0o755)
    before = tree.agent_spec("dba").read_text()
    with Pane("attach", tree.root.name, cwd=tmp_path, EDITOR=str(bad), VISUAL="") as pane:
        pane.wait_for("!  dba", "q leaves this view")
        pane.type("/dba\re")
        pane.wait_for("kind")
        pane.type("q")
        assert pane.end() == 0
    assert tree.agent_spec("dba").read_text() == before
    with Pane("attach", tree.root.name, cwd=tmp_path, EDITOR=str(good), VISUAL="") as pane:
        pane.wait_for("!  dba", "q leaves this view")
        pane.type("/dba\re")
        pane.wait_for("changed role")
        pane.type("q")
        assert pane.end() == 0
    assert json.loads(tree.agent_spec("dba").read_text())["role"] == "edited"


def test_a_slow_terminal_holds_nobody_back(tmp_path: Path, home: Path) -> None:
    with Pane("run", str(plan(tmp_path)), cwd=tmp_path, bytes_a_look=64) as pane:
        pane.wait_for("worker")
        tree = the_tree(home)
        wait_for(lambda: task_phase(tree, "broken") == "failed")
        pane.type("q")
        assert pane.end() == 0


def test_an_agent_that_writes_without_end_is_shown_where_it_stands(tmp_path: Path, home: Path) -> None:
    text = 'request = "x"\n[agents.a]\nkind = "command"\ntask = "t"\n'
    text += 'shell = "seq 200000; echo all of it is written; exec sleep 100"\n'
    (tmp_path / "plan.toml").write_text(text)
    with Pane("run", "plan.toml", cwd=tmp_path) as pane:
        pane.wait_for("all of it is written")
        pane.type("l")
        pane.wait_until(lambda: "199999" in pane.text and "all of it" in pane.text, "the end of its output")
        pane.resize(120, 40)
        pane.wait_until(lambda: "199980" in pane.text, "more of it in a larger terminal")
        pane.type("\x1b")  # what is typed next is not taken for Alt and a letter
        pane.wait_for("AGENT")
        pane.type("q")
        assert pane.end() == 0


@pytest.mark.parametrize("how", ["--plain", "dumb"])
def test_lines_where_no_screen_is_wanted(tmp_path: Path, home: Path, how: str) -> None:
    (tmp_path / "gate").touch()
    words = ("--plain",) if how == "--plain" else ()
    environment = {} if how == "--plain" else {"TERM": "dumb"}
    with Pane("run", str(plan(tmp_path)), *words, cwd=tmp_path, columns=200, rows=60, **environment) as pane:
        text = pane.wait_for("question dba-", "answer: maos-sup answer", "task broken failed")
        assert b"\x1b[?1049h" not in pane.raw and "Z task" in text


def test_pipes_help_and_status_load_nothing_for_screens(tmp_path: Path) -> None:
    code = (
        "import sys; from maos_sup.cli import main; main(sys.argv[1:]);"
        "heavy = {'textual', 'psutil', 'rich'} & set(sys.modules); assert not heavy, heavy"
    )
    for words in (["--help"], ["status"], ["list"], ["answer"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
        )
        assert "AssertionError" not in done.stderr, done.stderr


def test_view_ends_when_its_terminal_is_closed_though_hangups_are_ignored(tmp_path: Path, home: Path) -> None:
    subprocess.run([*MAOS_SUP, "run", str(plan(tmp_path)), "--detach"], check=True, timeout=100)
    ours, theirs = os.openpty()
    command = f"trap '' HUP; exec {shlex.join(MAOS_SUP)} attach"
    view = subprocess.Popen(
        ["/bin/sh", "-c", command], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    assert b"worker" in read_until(ours, b"worker")
    os.close(ours)
    assert view.wait(timeout=60) is not None
    assert status_of(the_tree(home))["supervisor"]["alive"]


def test_view_ends_when_its_terminal_is_closed_before_anything_runs(tmp_path: Path, home: Path) -> None:
    for text in (b"", b"opening"):  # before the first frame, and before the view is there
        ours, theirs = os.openpty()
        command = [*MAOS_SUP, "run", str(plan(tmp_path)), "--name", f"closed{len(text)}"]
        view = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        assert text in read_until(ours, text)
        os.close(ours)
        assert view.wait(timeout=300) is not None


def agent_rows(text: str) -> str:
    """The rows of the table of agents: what stands below its head, up to a blank line."""
    below = text.split("LAST")[-1].splitlines()
    return "\n".join(takewhile(str.strip, below[1:]))


def read_until(descriptor: int, wanted: bytes) -> bytes:
    """Read what comes from a terminal until `wanted` is in it."""
    found = b""
    while wanted not in found:
        found += os.read(descriptor, 65536)
    return found
