"""No space left: a clear error, a tree that can be read, and all goes on when there is room."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from disks import FILLER, SmallDisk, small_disk
from orchestra import Orchestra
from processes import kill
from troupe import TALKERS, Troupe
from verdict import problems

from state_layout.host.beats import read_beat
from state_layout.host.triggers import pull

GATED = 'while [ ! -e "$OUT/go" ]; do sleep 0.1; done; echo end'


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as made:
        yield made


@pytest.fixture
def troupe(tmp_path: Path, disk: SmallDisk) -> Iterator[Troupe]:
    """A troupe whose tree, and nothing else, lies on the small disk."""
    made = Troupe(tmp_path, root=disk.folder / "tree")
    try:
        yield made
    finally:
        disk.make_room()
        made.end_all()


@pytest.fixture
def orchestra(tmp_path: Path, disk: SmallDisk) -> Iterator[Orchestra]:
    made = Orchestra(tmp_path, root=disk.folder / "tree")
    try:
        yield made
    finally:
        disk.make_room()
        made.end_all()


def cpu_s(pid: int) -> float:
    """Give the seconds of a processor that the process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def complaint(orchestra: Orchestra) -> str:
    """Give what `status` says of the disk."""
    status = orchestra.status()
    words = [*status["notes"], *(str(agent["reason"]) for agent in status["agents"])]
    return "\n".join(word for word in words if "space" in word or "full" in word)


@pytest.mark.timeout(240)
def test_a_disk_that_fills_up_stops_nothing_for_good(troupe: Troupe, disk: SmallDisk) -> None:
    troupe.begin(pace_s=0.03)
    for _ in range(3):
        troupe.wait_progress()
        disk.fill()
        told = troupe.wait(lambda: complaint(troupe), "status tells of it", deadline_s=60)
        assert "no space left" in told.lower() or "full" in told.lower()
        for command in ("status", "logs", "messages"):
            done = troupe.cli(command, str(troupe.root))
            assert done.returncode == 0, done.stderr
        disk.make_room()
        troupe.wait(lambda: set(troupe.pids()) == set(TALKERS), "all live again", deadline_s=60)
        troupe.wait_progress(deadline_s=60)
    troupe.wait(lambda: not complaint(troupe), "the complaint is over")
    troupe.finish()
    troupe.wait_rest("done", deadline_s=60)
    assert problems(troupe) == []
    troupe.assert_nothing_left()
    troupe.assert_sound()


def test_nothing_is_started_without_room_and_all_is_when_there_is(
    orchestra: Orchestra, disk: SmallDisk
) -> None:
    tasks = [{"id": "one", "agent": "ann"}, {"id": "two", "agent": "bob", "needs": ["one"]}]
    orchestra.start({"ann": GATED, "bob": "echo hi"}, tasks)
    orchestra.wait_alive("ann")
    disk.fill()
    orchestra.say("go")
    orchestra.wait(lambda: not orchestra.pids(), "ann is gone")
    orchestra.wait(lambda: complaint(orchestra), "status tells of it")
    disk.make_room()
    orchestra.wait_rest("done")
    assert orchestra.output("bob") == "hi\n"
    assert orchestra.attempts()["bob"] == 1
    orchestra.assert_sound()


@pytest.mark.linux("the kernel counts the time that a process takes")
def test_supervisor_without_room_sleeps(orchestra: Orchestra, disk: SmallDisk) -> None:
    """What it would keep for checkpoints waits for room, and does not wake it until there is."""

    def beats() -> int:
        found = read_beat(orchestra.tree.beat("ann"))
        return 0 if found is None else found.beat

    orchestra.start({"ann": GATED})
    orchestra.wait_alive("ann")
    kill(orchestra.supervisor() or 0)
    disk.fill()
    os.truncate(disk.folder / FILLER, (disk.folder / FILLER).stat().st_size - (1 << 18))  # too little
    orchestra.resume()
    orchestra.wait(lambda: complaint(orchestra), "status tells of it")
    first = beats()
    orchestra.wait(lambda: beats() > first + 2, "it has kept what it keeps at its beginning")
    first, took_s = beats(), cpu_s(orchestra.supervisor() or 0)
    orchestra.wait(lambda: beats() > first + 4, "some beats", deadline_s=60)
    assert cpu_s(orchestra.supervisor() or 0) - took_s < 0.2
    disk.make_room()
    orchestra.say("go")
    orchestra.wait_rest("done")


@pytest.mark.parametrize("victims", [("ann",), ("ann", "bob")], ids=str)
def test_no_file_left_to_make_is_waited_for_like_no_byte(
    orchestra: Orchestra, disk: SmallDisk, victims: tuple[str, ...]
) -> None:
    agent = {"kind": "command", "shell": GATED, "restart": {"max": 2, "window_s": 600, "backoff_s": 0.01}}
    orchestra.start({"ann": agent, "bob": dict(agent)})
    pids = orchestra.wait_alive()
    disk.fill_with_files()
    kill(*(pids[name] for name in victims))
    orchestra.wait(lambda: complaint(orchestra), "status tells of it")
    orchestra.wait(lambda: not set(victims) & set(orchestra.pids()), "they are gone")
    before = len(orchestra.events("submit", "seal", "restart", "gave_up"))
    for _ in range(20):  # what wakes the supervisor makes it look, not act
        pull(orchestra.tree, "supervisor")
        assert complaint(orchestra)
    assert len(orchestra.events("submit", "seal", "restart", "gave_up")) == before
    disk.remove_files()
    orchestra.say("go")
    orchestra.wait_rest("done", deadline_s=60)
    assert not orchestra.events("gave_up")
    assert all(count <= 3 for count in orchestra.attempts().values())
    orchestra.assert_sound()


def test_a_run_on_a_full_disk_leaves_no_tree(orchestra: Orchestra, disk: SmallDisk) -> None:
    plan = orchestra.plan({"ann": "echo hi"})
    disk.fill()
    done = orchestra.cli("run", str(plan), "--dir", str(orchestra.root))
    assert done.returncode == 1
    assert "no space left" in done.stderr.lower() and "bug" not in done.stderr
    assert not orchestra.tree.format.exists()
    assert not [path for path in orchestra.root.rglob("*") if path.is_file() and path.stat().st_size]
    disk.make_room()
    assert orchestra.cli("run", str(plan), "--dir", str(orchestra.root)).returncode == 0


def test_an_edit_on_a_full_disk_changes_nothing(orchestra: Orchestra, disk: SmallDisk) -> None:
    assert orchestra.run({"ann": "echo hi"}).returncode == 0
    before = orchestra.tree.orchestration_spec.read_bytes()
    disk.fill()
    for command in (["pause"], ["set", "limits.max_agents", "3"], ["retry", "--task", "ann"]):
        done = orchestra.cli(command[0], str(orchestra.root), *command[1:])
        assert done.returncode == 1, done.stdout
        assert "no space left" in done.stderr.lower() and "bug" not in done.stderr
    status = json.loads(orchestra.do("status", "--json"))
    assert (status["phase"], status["spec_errors"]) == ("done", [])
    assert orchestra.tree.orchestration_spec.read_bytes() == before
    disk.make_room()
    assert not list(orchestra.root.rglob("*.tmp-*"))
    orchestra.do("retry", "--task", "ann")
    orchestra.wait_rest("done")
    assert orchestra.output("ann") == "hi\nhi\n"
