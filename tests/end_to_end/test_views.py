"""Views and terminals: a view may be killed, Ctrl+C pauses and stops, status works on anything."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path

from orchestra import Orchestra

GATED = 'echo "begin $MAOS_ATTEMPT"; while [ ! -e "$OUT/go" ]; do sleep 0.05; done; echo end'


def begin(orchestra: Orchestra, line: str) -> subprocess.Popen[str]:
    plan = orchestra.plan({"ann": line, "bob": line}, limits={"stop_grace_s": 2})
    view = orchestra.begin_cli("run", str(plan), "--dir", str(orchestra.root))
    orchestra.wait(lambda: orchestra.tree.supervisor_status.exists(), "it runs")
    orchestra.wait_alive()
    return view


def test_ctrl_c_once_pauses_and_says_how_to_go_on(orchestra: Orchestra) -> None:
    view = begin(orchestra, GATED)
    view.send_signal(signal.SIGINT)
    out, err = view.communicate(timeout=30)
    assert view.returncode == 130, err
    assert "resume" in out.splitlines()[-1] and "saved" in out, out
    assert orchestra.phase() == "paused"
    assert not orchestra.marked()
    orchestra.say("go")
    done = orchestra.cli("resume", str(orchestra.root))
    assert done.returncode == 0, done.stderr
    assert orchestra.output("ann") == "begin 1\nbegin 2\nend\n"


def test_ctrl_c_twice_stops_at_once(orchestra: Orchestra) -> None:
    deaf = "trap '' TERM; echo begin; while [ ! -e \"$OUT/go\" ]; do sleep 0.05; done; echo end"
    view = begin(orchestra, deaf)
    view.send_signal(signal.SIGINT)
    orchestra.wait(lambda: orchestra.status()["want"] == "pause", "pause is wanted")
    view.send_signal(signal.SIGINT)
    out, err = view.communicate(timeout=30)
    assert view.returncode == 130, err
    assert orchestra.phase() == "stopped", out
    orchestra.assert_nothing_left()
    orchestra.say("go")
    assert orchestra.cli("resume", str(orchestra.root)).returncode == 0
    orchestra.assert_sound()


def test_a_killed_view_changes_nothing(orchestra: Orchestra) -> None:
    view = begin(orchestra, GATED)
    before = orchestra.pids()
    view.kill()
    view.communicate()
    assert orchestra.pids() == before and orchestra.supervisor()
    orchestra.say("go")
    orchestra.wait_rest("done")


def test_a_terminal_that_closes_changes_nothing(orchestra: Orchestra) -> None:
    view = begin(orchestra, GATED)
    before = orchestra.pids()
    view.send_signal(signal.SIGHUP)
    view.communicate(timeout=30)
    assert orchestra.pids() == before and orchestra.supervisor()
    orchestra.say("go")
    orchestra.wait_rest("done")


def test_resume_of_what_runs_attaches_and_ends_with_it(orchestra: Orchestra) -> None:
    orchestra.start({"ann": GATED})
    before = orchestra.wait_alive()
    first = orchestra.supervisor()
    view = orchestra.begin_cli("resume", str(orchestra.root))
    orchestra.say("go")
    out, err = view.communicate(timeout=30)
    assert view.returncode == 0, err
    assert set(orchestra.attempts().values()) == {1}, (before, first, out)


def test_status_of_a_copy_names_no_process_of_the_original(orchestra: Orchestra, tmp_path: Path) -> None:
    orchestra.start({"ann": GATED})
    orchestra.wait_alive()
    copy = tmp_path / "copy"
    shutil.copytree(orchestra.root, copy)
    status = json.loads(orchestra.cli("status", str(copy), "--json", expect=0).stdout)
    assert status["supervisor"]["alive"] is False
    assert [agent["pid"] for agent in status["agents"]] == [None]
    assert status["phase"] == "interrupted"
    assert [task["phase"] for task in status["tasks"]] == ["interrupted"]
    orchestra.say("go")
    orchestra.wait_rest("done")


def test_status_needs_no_supervisor_and_has_all_its_keys(orchestra: Orchestra) -> None:
    orchestra.run({"ann": "echo hi"})
    status = json.loads(orchestra.do("status", "--json"))
    keys = "id request want phase supervisor agents tasks spec_errors counts"
    assert status.keys() >= set(keys.split())
    keys = "name kind phase pid attempt task progress last_output_at messages cost_usd"
    assert status["agents"][0].keys() >= set(keys.split())
    assert status["tasks"][0].keys() >= {"id", "agent", "phase", "needs", "progress", "attempts", "result"}


def test_resume_of_what_is_done_says_so(orchestra: Orchestra) -> None:
    orchestra.run({"ann": "echo hi"})
    done = orchestra.cli("resume", str(orchestra.root))
    assert done.returncode == 0, done.stderr
    assert orchestra.attempts() == {"ann": 1}
