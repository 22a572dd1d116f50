"""A tree that is worked on from elsewhere is seen to live and refused with 11; a copy is taken at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from orchestra import Orchestra

from state_layout.host.beats import LONGEST_REST_S, BeatWriter
from state_layout.host.elsewhere import moves_under_another_name, works_under_another_name
from state_layout.paths import Tree

LOCKED = 11
TICKS = "i=0; while [ ! -e $OUT/go ]; do echo tick $((i+=1)); sleep 0.2; done"


@pytest.fixture
def contained(orchestra: Orchestra) -> Iterator[Orchestra]:
    """An orchestration whose supervisor and agents live in a pid namespace of their own."""
    inside = ["unshare", "-rpf", "--mount-proc", "--kill-child=KILL"]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no pid namespaces here")
    orchestra.start({"ann": TICKS})
    orchestra.wait_alive("ann")
    orchestra.do("stop")
    orchestra.wait_rest("stopped")
    for spec in (orchestra.tree.orchestration_spec, orchestra.tree.agent_spec("ann")):
        spec.write_text(spec.read_text().replace('"stop"', '"run"'))
    command = [*inside, sys.executable, "-m", "maos_sup", "supervise", str(orchestra.root)]
    process = subprocess.Popen(command, env=orchestra.environment, cwd=orchestra.folder)
    try:
        yield orchestra
    finally:
        process.kill()
        process.wait()


def test_work_in_another_pid_namespace_is_seen_and_not_taken_over(contained: Orchestra) -> None:
    contained.wait(lambda: contained.attempts()["ann"] == 2 and contained.pids(), "ann is seen to live")
    assert contained.phase() == "running"
    assert any("pid namespace" in note for note in contained.status()["notes"])
    for command in (("resume", "--detach"), ("resume", "--plain")):
        done = contained.cli(command[0], str(contained.root), *command[1:])
        assert (done.returncode, "pid namespace" in done.stderr) == (LOCKED, True), done.stderr
    assert contained.attempts()["ann"] == 2
    contained.say("go")
    contained.wait_rest("done")


@pytest.fixture
def other_name(orchestra: Orchestra, tmp_path: Path) -> Iterator[Tree]:
    """The tree of a living orchestration under another name, between which no lock is shared."""
    if shutil.which("bindfs") is None:
        pytest.skip("bindfs is not installed")
    orchestra.start({"ann": TICKS})
    orchestra.wait_alive("ann")
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    if subprocess.run(["bindfs", str(orchestra.root), str(mirror)], check=False).returncode != 0:
        pytest.skip("bindfs cannot mount here")
    try:
        yield Tree(mirror)
    finally:
        orchestra.end_all()
        subprocess.run(["umount", "--lazy", str(mirror)], check=True)


def test_another_name_of_a_living_tree_is_no_copy(orchestra: Orchestra, other_name: Tree) -> None:
    supervisor = orchestra.supervisor()
    assert supervisor is not None
    done = orchestra.cli("resume", str(other_name.root), "--detach")
    assert done.returncode == LOCKED, done.stdout + done.stderr
    direct = orchestra.cli("supervise", str(other_name.root))
    assert direct.returncode == LOCKED and "worked on already" in direct.stderr
    assert orchestra.supervisor() == supervisor
    assert orchestra.attempts() == {"ann": 1}


@pytest.mark.parametrize("keeps_times", [True, False])
def test_a_copy_of_a_living_tree_on_this_machine_is_known_for_one_at_once(
    orchestra: Orchestra, tmp_path: Path, keeps_times: bool
) -> None:
    orchestra.start({"ann": TICKS})
    orchestra.wait_alive("ann")
    flags = "-a" if keeps_times else "-r"
    subprocess.run(["cp", flags, str(orchestra.root), str(tmp_path / "copy")], check=True)
    copy = Tree(tmp_path / "copy")
    assert works_under_another_name(copy) is None
    assert moves_under_another_name(copy) is None
    assert works_under_another_name(orchestra.tree) == f"{str(orchestra.root)!r}, another name of this folder"


def test_beat_that_moves_where_no_process_can_be_seen_is_somebodys(
    orchestra: Orchestra, tmp_path: Path
) -> None:
    orchestra.start({"ann": TICKS})
    orchestra.wait_alive("ann")
    name = tmp_path / "name"  # stands for a folder that a virtual machine works in: handles of another boot
    name.mkdir()
    for path in orchestra.root.iterdir():
        if path.name != "run":
            Path(name / path.name).symlink_to(path)
    shutil.copytree(orchestra.tree.run, name / "run")
    alias = Tree(name)
    for handle in (alias.supervisor_handle, alias.handle("ann")):
        handle.write_text(handle.read_text().replace('"boot_id":"', '"boot_id":"other-'))
    assert moves_under_another_name(alias) is None  # the copied beat does not move
    alias.beat("ann").unlink()
    os.link(orchestra.tree.beat("ann"), alias.beat("ann"))
    told = orchestra.wait(lambda: moves_under_another_name(alias), "its beat is seen to move")
    assert "moves" in told


def test_an_agent_at_rest_is_waited_for_as_long_as_it_may_say_nothing(orchestra: Orchestra) -> None:
    orchestra.start({"ann": TICKS}, starts=False)
    orchestra.tree.supervisor_lock.parent.mkdir(exist_ok=True)
    orchestra.tree.supervisor_lock.touch()
    beats = BeatWriter(orchestra.tree.beat("ann"))
    timer = threading.Timer(LONGEST_REST_S, beats.beat)
    timer.start()
    told = moves_under_another_name(orchestra.tree)
    timer.join()
    beats.close()
    assert told is not None and "moves" in told
