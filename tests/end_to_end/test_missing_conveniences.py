"""What only makes it quicker or nicer may be missing, as a runtime folder: work goes on, a note says so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from orchestra import Orchestra
from processes import kill

from state_layout.host.triggers import trigger_folder

GATED = 'while [ ! -e "$OUT/go" ]; do sleep 0.05; done; echo end'
CHAIN = [{"id": "one", "agent": "ann"}, {"id": "two", "agent": "bob", "needs": ["one"]}]
NOT_ROOT = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def ours(folder: Path) -> Path:
    return folder / f"maos-sup-{os.getuid()}"


def missing(folder: Path) -> None:
    folder.rmdir()


def is_a_file(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("in the way")


def writable_by_others(folder: Path) -> None:
    ours(folder).mkdir()
    ours(folder).chmod(0o777)


def of_another(folder: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("needs a folder of another user")
    ours(folder).mkdir(mode=0o700)
    os.chown(ours(folder), 65534, 65534)


@pytest.fixture
def runtime(orchestra: Orchestra, tmp_path: Path) -> Path:
    """A runtime folder of this test's own."""
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o700)
    orchestra.environment["XDG_RUNTIME_DIR"] = str(folder)
    return folder


def notes(orchestra: Orchestra, word: str) -> list[str]:
    return [note for note in orchestra.status()["notes"] if word in note]


@pytest.mark.parametrize(
    ("variable", "spoil"),
    [
        ("XDG_RUNTIME_DIR", missing),
        ("XDG_RUNTIME_DIR", writable_by_others),
        ("XDG_RUNTIME_DIR", of_another),
        ("TMPDIR", is_a_file),
    ],
)
def test_without_a_runtime_folder_all_is_done_and_a_note_says_what_is_slower(
    orchestra: Orchestra, runtime: Path, variable: str, spoil: object
) -> None:
    del orchestra.environment["XDG_RUNTIME_DIR"]
    orchestra.environment[variable] = str(runtime)
    assert callable(spoil)
    spoil(runtime)
    orchestra.start({"ann": GATED, "bob": "echo hi"}, CHAIN)
    assert orchestra.supervisor() is not None  # `--detach` has said 0: somebody lives
    orchestra.wait(lambda: notes(orchestra, "no trigger can be made"), "the note")
    orchestra.say("go")
    orchestra.wait_rest("done")
    assert orchestra.output("bob") == "hi\n"
    orchestra.assert_sound()


def test_without_a_runtime_folder_an_edit_is_obeyed_at_a_tick(orchestra: Orchestra, runtime: Path) -> None:
    runtime.rmdir()
    orchestra.start({"ann": "sleep 1000"})
    orchestra.wait_alive("ann")
    orchestra.do("stop")
    orchestra.wait_rest("stopped")
    orchestra.assert_nothing_left()


def test_runtime_folder_that_goes_and_comes_back_is_used_again(orchestra: Orchestra, runtime: Path) -> None:
    runtime.rmdir()
    orchestra.start({"ann": GATED})
    orchestra.wait(lambda: notes(orchestra, "no trigger can be made"), "the note")
    runtime.mkdir(mode=0o700)
    orchestra.wait(lambda: not notes(orchestra, "no trigger can be made"), "the note is gone")
    assert list(ours(runtime).rglob("supervisor"))
    orchestra.say("go")
    orchestra.wait_rest("done")


def test_after_a_logout_an_agent_still_calls_the_next_supervisor(orchestra: Orchestra, runtime: Path) -> None:
    orchestra.start({"ann": GATED, "bob": "echo hi"}, CHAIN)
    orchestra.wait_alive("ann")
    shutil.rmtree(runtime)
    supervisor = orchestra.supervisor()
    assert supervisor is not None
    kill(supervisor)
    orchestra.say("go")
    orchestra.wait_rest("done")
    assert orchestra.output("bob") == "hi\n"


def test_triggers_go_with_the_end_of_their_tree_and_stale_ones_too(
    orchestra: Orchestra, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    stale = ours(runtime) / "1-2"
    stale.mkdir(parents=True, mode=0o700)
    ours(runtime).chmod(0o700)
    os.mkfifo(stale / "supervisor")
    os.utime(stale, (1, 1))
    living = ours(runtime) / "1-3"
    living.mkdir()
    os.mkfifo(living / "ann")
    os.utime(living, (1, 1))
    listening = os.open(living / "ann", os.O_RDWR | os.O_NONBLOCK)
    try:
        assert orchestra.run({"ann": "echo hi"}).returncode == 0
        orchestra.wait_rest("done")
    finally:
        os.close(listening)
    assert not trigger_folder(orchestra.tree).exists()
    assert [folder.name for folder in ours(runtime).iterdir()] == ["1-3"]


def file_in_its_place(run: Path) -> None:
    run.rename(run.with_name("run-aside"))
    run.write_text("in the way")


def file_is_gone(run: Path) -> None:
    run.unlink()
    run.with_name("run-aside").rename(run)


def closed_to_all(run: Path) -> None:
    run.chmod(0)


def open_again(run: Path) -> None:
    run.chmod(0o700)


@pytest.mark.parametrize(
    ("spoil", "mend"),
    [(file_in_its_place, file_is_gone), (closed_to_all, open_again)],
    ids=["a file", "closed"],
)
def test_run_folder_that_nobody_may_enter_ends_nobody(
    orchestra: Orchestra, spoil: object, mend: object
) -> None:
    assert callable(spoil) and callable(mend)
    plan = orchestra.plan({"ann": GATED, "bob": "sleep 0.5; echo hi", "eve": "echo late"}, CHAIN)
    command = [sys.executable, "-m", "maos_sup", "run", str(plan), "--dir", str(orchestra.root), "--detach"]
    prefix = NOT_ROOT if os.getuid() == 0 and shutil.which("setpriv") else []
    subprocess.run(
        [*prefix, *command], env=orchestra.environment, check=True, timeout=60, capture_output=True
    )
    orchestra.wait_alive("ann")
    supervisor = orchestra.supervisor()
    spoil(orchestra.tree.run)
    try:
        orchestra.wait(lambda: notes(orchestra, "until then nobody is seen"), "a note says so")
        if spoil is closed_to_all:  # else no agent begins: nothing is written through what is no folder
            orchestra.say("go")
            orchestra.wait(lambda: orchestra.output("bob") == "hi\n", "an agent starts and works")
    finally:
        mend(orchestra.tree.run)
    orchestra.say("go")
    orchestra.wait_rest("done")
    log = orchestra.tree.supervisor_log.read_text()
    assert "bug" not in log and "Traceback" not in log
    assert not [
        line for path in orchestra.tree.agents.rglob("stderr.log") for line in [path.read_text()] if line
    ]
    assert set(orchestra.attempts().values()) == {1}
    assert len(list(orchestra.tree.lives.iterdir())) == 1, f"another supervisor than {supervisor} began"
    orchestra.assert_sound()
