"""Agents start, are watched and end, whichever way they were started."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from lab import IDLE, Lab, open_descriptors, runs

from state_layout.host.marks import read_mark
from state_layout.host.stats import read_stat


def test_agent_runs_until_it_is_done(any_lab: Lab) -> None:
    any_lab.submit("bob", "(root / 'said').write_text(agent)")
    assert any_lab.launcher.living() == {"bob"}
    ended = any_lab.ended("bob")
    assert (ended.alive, ended.exit_code, ended.signal) == (False, 0, None)
    assert any_lab.path("said").read_text() == "bob"
    assert any_lab.launcher.living() == set()


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("code = 7", 7),
        ("raise SystemExit", 0),
        ("raise SystemExit(3)", 3),
        ("raise SystemExit('no')", 1),
        ("raise KeyboardInterrupt", 1),
        ("1 / 0", 1),
        ("import os; os._exit(9)", 9),
        ("import sys; sys.exit(256 + 4)", 4),
    ],
)
def test_exit_code_is_told(any_lab: Lab, script: str, code: int) -> None:
    any_lab.submit("bob", script)
    ended = any_lab.ended("bob")
    assert (ended.exit_code, ended.signal) == (code, None)


def test_killed_agent_is_told_with_its_signal(any_lab: Lab) -> None:
    pid = any_lab.start("bob")
    os.kill(pid, signal.SIGKILL)
    any_lab.wait_quietly(lambda: "bob" not in any_lab.launcher.living())
    ended = any_lab.ended("bob")
    assert (ended.exit_code, ended.signal) == (None, signal.SIGKILL)


def test_failure_of_an_agent_is_in_the_log(any_lab: Lab) -> None:
    any_lab.submit("bob", "raise ValueError('what went wrong')")
    any_lab.ended("bob")
    assert "what went wrong" in any_lab.tree.supervisor_log.read_text()


@pytest.mark.linux("children listed by the kernel")
def test_submitting_twice_starts_once(any_lab: Lab) -> None:
    any_lab.submit("bob", IDLE)
    any_lab.submit("bob")
    pid = any_lab.start("bob")
    assert any_lab.submit("bob") == pid
    assert [child for child in children_of_all(any_lab) if child == pid] == [pid]


def test_agent_is_started_again_after_its_end(any_lab: Lab) -> None:
    first = any_lab.start("bob")
    os.kill(first, signal.SIGKILL)
    any_lab.wait(lambda: "bob" not in any_lab.launcher.living())
    second = any_lab.start("bob")
    assert second != first
    assert any_lab.launcher.living() == {"bob"}


def test_agent_has_a_session_and_a_group_of_its_own(any_lab: Lab) -> None:
    pid = any_lab.start("bob")
    stat = read_stat(pid)
    assert stat is not None
    assert (stat.session, stat.group) == (pid, pid)


def test_agent_inherits_nothing_but_its_output(any_lab: Lab) -> None:
    any_lab.submit(
        "bob",
        "import os, signal\n"
        "paths = {fd: f'/proc/self/fd/{fd}' for fd in os.listdir('/proc/self/fd')}\n"
        "fds = {fd: os.readlink(path) for fd, path in paths.items() if os.path.exists(path)}\n"
        "ignored = [n for n in signal.valid_signals() if signal.getsignal(n) is signal.SIG_IGN]\n"
        "named = [signal.getsignal(n) for n in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)]\n"
        "assert named == [signal.SIG_DFL, signal.SIG_DFL, signal.default_int_handler], named\n"
        "assert set(ignored) == {signal.SIGPIPE, signal.SIGXFSZ}, ignored\n"
        "assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()\n"
        "assert signal.set_wakeup_fd(-1) == -1\n"
        "assert set(fds) == {'0', '1', '2'} and fds['0'] == '/dev/null', fds\n"
        "assert 'MAOS_MARK' not in os.environ\n"
        "import gc; assert gc.isenabled()\n",
    )
    assert any_lab.ended("bob").exit_code == 0, any_lab.tree.supervisor_log.read_text()


def test_signals_that_the_supervisor_ignores_are_not_ignored_by_agents(
    new_lab: Callable[..., Lab], request: pytest.FixtureRequest
) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    request.addfinalizer(lambda: signal.signal(signal.SIGHUP, before))
    script = "import signal; assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL"
    for forks in (True, False):
        lab = new_lab(forks=forks)
        lab.submit("bob", script)
        assert lab.ended("bob").exit_code == 0


@pytest.mark.linux("a title of a process")
def test_agent_is_named_in_the_process_list(any_lab: Lab) -> None:
    pid = any_lab.start("bob")
    line = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0")
    assert line.startswith(b"maos-sup agent bob ")
    assert " " not in Path(f"/proc/{pid}/comm").read_text()  # or Slurm does not find it


def test_agent_can_wear_its_mark(any_lab: Lab) -> None:
    pid = any_lab.start(
        "bob", f"from state_layout.host.marks import wear\nwear('{any_lab.mark('bob')}')\n{IDLE}"
    )
    assert read_mark(pid) == any_lab.mark("bob")


def test_agent_dies_first_when_memory_runs_out(any_lab: Lab) -> None:
    pid = any_lab.start("bob")
    assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) >= 100


def test_modules_in_the_current_folder_shadow_nothing(
    new_lab: Callable[..., Lab], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "signal.py").write_text("raise SystemError('a stranger')")
    monkeypatch.chdir(tmp_path)
    for forks in (True, False):
        lab = new_lab(forks=forks)
        lab.submit("bob", "code = 5")
        assert lab.ended("bob").exit_code == 5


def test_hundred_agents_run_and_end(lab: Lab) -> None:
    names = {f"a{number}" for number in range(100)}
    for name in names:
        lab.submit(name, IDLE)
    lab.wait_quietly(lambda: all(seen.pid for seen in lab.launcher.poll().values()))  # type: ignore[union-attr]
    assert lab.launcher.living() == names
    assert len({lab.observed(name).pid for name in names}) == 100
    for name in names:
        os.kill(lab.observed(name).pid, signal.SIGKILL)
    lab.wait_quietly(lambda: not lab.launcher.living())
    assert {lab.ended(name).signal for name in names} == {signal.SIGKILL}


def test_nothing_is_left_open(new_lab: Callable[..., Lab]) -> None:
    before = open_descriptors()
    for forks in (True, False):
        lab = new_lab(forks=forks)
        for _ in range(5):
            os.kill(lab.start("bob"), signal.SIGKILL)
            lab.ended("bob")
            lab.launcher.sweep({lab.mark("bob")})
        lab.close()
    assert open_descriptors() == before


def test_limit_of_open_files_is_raised_for_the_launcher_only(new_lab: Callable[..., Lab]) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    low = 200 + max(int(path.name) for path in Path("/proc/self/fd").iterdir())  # what this process has open
    resource.setrlimit(resource.RLIMIT_NOFILE, (low, before[1]))
    try:
        lab = new_lab()
        for number in range(220):
            lab.submit(f"a{number}", IDLE)
        lab.wait(lambda: all(lab.observed(f"a{number}").pid for number in range(220)))
        text = Path(f"/proc/{lab.observed('a7').pid}/limits").read_text()
        assert re.search(rf"Max open files +{low} ", text)
        lab.launcher.cancel(lab.launcher.living(), grace_s=0)
        lab.wait(lambda: not lab.launcher.living())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_closing_leaves_agents_alive(any_lab: Lab, new_lab: Callable[..., Lab]) -> None:
    pid = any_lab.start("bob")
    any_lab.close()
    assert runs(pid)
    os.kill(pid, signal.SIGKILL)


def test_agent_that_cannot_be_imported_is_told_by_its_exit(new_lab: Callable[..., Lab]) -> None:
    lab = new_lab(entry="no_such_module:main")
    lab.submit("bob", IDLE)
    assert lab.ended("bob").exit_code == 1
    assert "no_such_module" in lab.tree.supervisor_log.read_text()


def test_start_that_fails_is_told_and_can_be_tried_again(
    new_lab: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = new_lab(forks=False)
    monkeypatch.setattr("sys.executable", "/no/such/python")
    lab.submit("bob", IDLE)
    seen = lab.observed("bob")
    assert (seen.alive, seen.pid, seen.error) == (False, 0, "cannot start: No such file or directory")
    monkeypatch.undo()
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    assert lab.start("bob") > 0
    assert lab.observed("bob").error is None


def test_log_that_cannot_be_opened_stops_nothing(new_lab: Callable[..., Lab], tmp_path: Path) -> None:
    (tmp_path / "tree" / "run" / "supervisor.log").mkdir()
    assert new_lab().start("bob") > 0


def test_own_children_of_the_supervisor_are_left_to_it(new_lab: Callable[..., Lab]) -> None:
    lab = new_lab(forks=False)
    with subprocess.Popen(["sh", "-c", "exit 5"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        lab.submit("bob", "code = 0")
        lab.ended("bob")
        assert process.wait() == 5


def children_of_all(lab: Lab) -> list[int]:
    """The children of this process and of its zygote."""
    from maos_sup.system.processes import read_children

    mine = read_children(os.getpid())
    return mine + [child for pid in mine for child in read_children(pid)]
