"""`run`, `resume` and `attach` with real supervisors, agents and programs."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from living import (
    MAOS_SUP,
    at_the_gate,
    end_all,
    own_words,
    plan,
    run,
    started,
    task_phase,
    the_tree,
    wait_for,
)

from maos_sup.views.status import status_of
from state_layout.paths import Tree


@pytest.fixture(autouse=True)
def nobody_left(home: Path) -> Iterator[None]:
    """End every process that a test leaves."""
    yield
    end_all(home)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


def stdout_of(tree: Tree, agent: str) -> str:
    attempts = sorted(tree.agent(agent).attempts.iterdir())
    return "".join((attempt / "stdout.log").read_text() for attempt in attempts)


def headline(out: str) -> str:
    """The line that says how it ended."""
    return next(line for line in out.splitlines() if line.startswith(("done: ", "failed: ")))


def test_run_to_the_end_says_what_happened_and_where_it_is(tmp_path: Path, home: Path, gate: Path) -> None:
    gate.touch()
    done = run("run", str(plan(tmp_path)))
    tree = the_tree(home)
    assert (done.returncode, own_words(done.stderr)) == (0, "")
    for part in ("task alice done", "task report done", "bob discovery: a thing", "done: 2 of 2 tasks done"):
        assert part in done.stdout
    assert headline(done.stdout).endswith(" s"), "how long it took"
    assert f"tree: {tree.root}" in done.stdout
    for late in ("attach", "resume"):
        assert headline(run(late, tree.root.name).stdout).endswith("1 discovery"), (
            "not how long it was looked at"
        )
    assert "\x1b" not in done.stdout
    assert not tree.supervisor_handle.exists()


def test_detached_run_in_a_chosen_folder_names_it_once(tmp_path: Path, home: Path, gate: Path) -> None:
    gate.touch()
    here = str(tmp_path / "here")
    assert run("run", str(plan(tmp_path)), "--dir", here, "--detach").stdout == f"{here}\n"
    assert run("attach", here).returncode == 0


def test_run_in_a_chosen_folder_without_home(tmp_path: Path, home: Path, gate: Path) -> None:
    gate.touch()
    assert run("run", str(plan(tmp_path)), "--dir", str(tmp_path / "here")).returncode == 0
    assert run("status", str(tmp_path / "here")).stdout.split()[1] == "done"
    assert [path.name for path in home.iterdir()] == ["elsewhere.jsonl"], "remembered, and nothing else"


def test_failed_task_is_exit_code_3_and_retry_mends_it(tmp_path: Path, home: Path, gate: Path) -> None:
    mended = tmp_path / "mended"
    gate.touch()
    done = run("run", str(plan(tmp_path, then=f"test -e {mended}")))
    assert done.returncode == 3
    assert "alice: failed" in done.stdout
    assert "report: blocked" in done.stdout
    tree = the_tree(home)
    assert f"maos-sup retry {tree.root.name}" in done.stdout
    assert run("resume", tree.root.name).returncode == 3
    mended.touch()
    retried = run("retry", tree.root.name)
    assert "task alice is to run again (run 2)" in retried.stdout
    assert run("resume", tree.root.name).returncode == 0
    assert task_phase(tree, "report") == "done"


def test_interrupt_once_pauses_and_resume_goes_on(tmp_path: Path, home: Path, gate: Path) -> None:
    view = started("run", str(plan(tmp_path)))
    tree = the_tree(home)
    at_the_gate(tree)
    view.send_signal(signal.SIGINT)
    out, err = view.communicate(timeout=40)
    assert (view.returncode, own_words(err)) == (130, "")
    last = out.splitlines()[-1]
    assert last.startswith("paused; saved: 0 of 2 tasks settled, under way: alice")
    assert last.endswith(f"maos-sup resume {tree.root.name}")
    status = status_of(tree)
    assert (status["phase"], status["want"], status["counts"]["alive"]) == ("paused", "pause", 0)
    gate.touch()
    resumed = run("resume", tree.root.name)
    assert resumed.returncode == 0
    assert "alice: task alice after attempt 1" in resumed.stdout
    assert "bob: begins its next task from the beginning" in resumed.stdout
    assert stdout_of(tree, "alice") == "begun\nbegun\nthrough\n"


def test_interrupt_twice_stops_hard_and_loses_nothing(tmp_path: Path, home: Path, gate: Path) -> None:
    path = plan(tmp_path)
    path.write_text(path.read_text().replace("echo begun;", "trap '' TERM; echo begun;"))
    view = started("run", str(path))
    tree = the_tree(home)
    at_the_gate(tree)
    view.send_signal(signal.SIGINT)
    wait_for(lambda: status_of(tree)["want"] == "pause")
    view.send_signal(signal.SIGINT)
    out, _ = view.communicate(timeout=40)
    assert view.returncode == 130
    assert out.splitlines()[-1].startswith(("stopped; saved", "paused; saved"))
    assert status_of(tree)["counts"]["alive"] == 0
    gate.touch()
    assert run("resume", tree.root.name).returncode == 0
    assert stdout_of(tree, "alice").startswith("begun\n")


def test_killed_view_changes_nothing(tmp_path: Path, home: Path, gate: Path) -> None:
    view = started("run", str(plan(tmp_path)))
    tree = the_tree(home)
    before = at_the_gate(tree)
    view.kill()
    view.communicate(timeout=40)
    gate.touch()
    wait_for(lambda: status_of(tree)["phase"] == "done")
    assert status_of(tree)["agents"][0]["attempt"] == before["agents"][0]["attempt"] == 1


def test_detached_run_is_attached_to_and_left_again(tmp_path: Path, home: Path, gate: Path) -> None:
    done = run("run", str(plan(tmp_path)), "--detach", "--json")
    told = json.loads(done.stdout)
    tree = the_tree(home)
    assert told == {"id": tree.root.name, "directory": str(tree.root)}
    at_the_gate(tree)
    view = started("attach", tree.root.name)
    assert view.stdout is not None
    assert "running: Count" in view.stdout.readline()
    view.send_signal(signal.SIGINT)
    out, _ = view.communicate(timeout=40)
    assert view.returncode == 0
    assert "goes on without this view" in out
    assert status_of(tree)["want"] == "run"
    view = started("attach", tree.root.name)
    gate.touch()
    out, _ = view.communicate(timeout=40)
    assert view.returncode == 0
    assert "done: 2 of 2 tasks" in out


def test_resume_of_a_living_one_attaches(tmp_path: Path, home: Path, gate: Path) -> None:
    run("run", str(plan(tmp_path)), "--detach")
    tree = the_tree(home)
    before = at_the_gate(tree)
    resumed = [started("resume", tree.root.name) for _ in range(2)]
    for view in resumed:
        assert view.stdout is not None
        wait_for(lambda view=view: "running: Count" in view.stdout.readline())
    after = status_of(tree)
    assert after["supervisor"] == before["supervisor"]
    assert after["agents"][0]["pid"] == before["agents"][0]["pid"]
    gate.touch()
    assert [view.communicate(timeout=40) and view.returncode for view in resumed] == [0, 0]


def test_two_resumes_at_once_start_one_supervisor(tmp_path: Path, home: Path, gate: Path) -> None:
    run("run", str(plan(tmp_path)), "--detach")
    tree = the_tree(home)
    status = at_the_gate(tree)
    for pid in (status["supervisor"]["pid"], status["agents"][0]["pid"]):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: status_of(tree)["phase"] == "interrupted")
    views = [started("resume", tree.root.name) for _ in range(3)]
    at_the_gate(tree)
    assert len(list(tree.lives.iterdir())) == 2
    gate.touch()
    for view in views:
        out, err = view.communicate(timeout=40)
        assert (view.returncode, own_words(err)) == (0, ""), out
    assert stdout_of(tree, "alice").count("through") == 1


def test_view_replaces_a_supervisor_that_died_with_all_its_agents(
    tmp_path: Path, home: Path, gate: Path
) -> None:
    view = started("run", str(plan(tmp_path)))
    tree = the_tree(home)
    status = at_the_gate(tree)
    gate.touch()
    for pid in (status["supervisor"]["pid"], status["agents"][0]["pid"]):
        os.kill(pid, signal.SIGKILL)
    out, err = view.communicate(timeout=60)
    assert (view.returncode, own_words(err)) == (0, "")
    assert "done: 2 of 2 tasks" in out


def test_json_of_a_watched_run_is_one_object(tmp_path: Path, gate: Path) -> None:
    gate.touch()
    done = run("run", str(plan(tmp_path)), "--json")
    assert json.loads(done.stdout)["phase"] == "done"
    assert "task report done" in done.stderr


def test_new_task_is_added_on_resume(tmp_path: Path, home: Path, gate: Path) -> None:
    gate.touch()
    run("run", str(plan(tmp_path)))
    tree = the_tree(home)
    resumed = run("resume", tree.root.name, "--task", "Say it again", "--agent", "bob")
    assert resumed.returncode == 0
    assert "task say-it-again added for bob" in resumed.stdout
    assert task_phase(tree, "say-it-again") == "done"
    assert stdout_of(tree, "bob").count("hi from bob") == 2


def test_second_supervisor_in_the_foreground_is_exit_code_11(tmp_path: Path, home: Path, gate: Path) -> None:
    run("run", str(plan(tmp_path)), "--detach")
    tree = the_tree(home)
    status = at_the_gate(tree)
    second = run("supervise", str(tree.root))
    assert second.returncode == 11
    assert str(status["supervisor"]["pid"]) in second.stderr
    assert run("supervise", tree.root.name[:8]).returncode == 11


def test_supervisor_in_the_foreground_runs_to_the_end(tmp_path: Path, home: Path, gate: Path) -> None:
    run("run", str(plan(tmp_path)), "--detach")
    tree = the_tree(home)
    at_the_gate(tree)
    run("stop", str(tree.root))
    wait_for(lambda: not status_of(tree)["supervisor"]["alive"])
    gate.touch()
    tree.orchestration_spec.write_text(tree.orchestration_spec.read_text().replace('"stop"', '"run"'))
    assert run("supervise", str(tree.root)).returncode == 0
    assert status_of(tree)["phase"] == "done"


def test_live_view_is_drawn_in_a_terminal(tmp_path: Path, home: Path, gate: Path) -> None:
    leader, follower = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "30"}
    argv = [*MAOS_SUP, "run", str(plan(tmp_path))]
    view = subprocess.Popen(argv, stdin=follower, stdout=follower, stderr=follower, env=env)
    os.close(follower)
    tree = the_tree(home)
    at_the_gate(tree)
    gate.touch()
    text = b""
    try:
        while data := os.read(leader, 65536):
            text += data
    except OSError:
        pass  # how a terminal says that its other side is closed
    os.close(leader)
    assert view.wait(timeout=40) == 0
    shown = text.decode()
    assert "\x1b[?25h" in shown
    assert "of 2 tasks done" in shown
    assert "done: 2 of 2 tasks done" in shown


def test_terminal_that_is_closed_changes_nothing(tmp_path: Path, home: Path, gate: Path) -> None:
    leader, follower = pty.openpty()
    env = {**os.environ, "TERM": "xterm"}
    argv = [*MAOS_SUP, "run", str(plan(tmp_path))]
    view = subprocess.Popen(
        argv, stdin=follower, stdout=follower, stderr=follower, env=env, start_new_session=True
    )
    os.close(follower)
    tree = the_tree(home)
    at_the_gate(tree)
    os.close(leader)
    gate.touch()
    wait_for(lambda: status_of(tree)["phase"] == "done")
    assert status_of(tree)["agents"][0]["attempt"] == 1
    wait_for(lambda: view.poll() is not None)
