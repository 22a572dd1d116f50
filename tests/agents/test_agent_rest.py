"""An agent whose program says nothing rests, and hears at once what calls for it."""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from merged_pages import merged_bytes, merged_pages, offered_bytes, offers_pages
from stage import QUICK, Life, Stage, shell, wait_for
from swap_space import swap_space, swapped_bytes

from maos_sup.agents.pulse.dnotify import WatchedFolder
from maos_sup.agents.pulse.resting import MemoryAtRest
from state_layout.host.beats import read_beat

Make = Callable[..., Stage]
NO_DNOTIFY = not Path("/proc/sys/fs/dir-notify-enable").exists()
SPEAKS_LATER = 'echo here > $OUT/here; while [ ! -e $OUT/go ]; do sleep 0.05; done; echo "found: it"; '
WAITS = "echo here > $OUT/here; exec sleep 100"


def resting(stage: Make, script: str) -> tuple[Stage, Life]:
    """An agent that has lived for so long that it rests: it beats every quarter of a second then."""
    one = stage({"ann": shell(script)}, limits={"hang_s": 2.0})
    life = one.live("ann")
    one.wait_word("here")
    first = beats(one)
    wait_for(lambda: beats(one) > first + 10, "some beats")
    return one, life


def beats(stage: Stage) -> int:
    found = read_beat(stage.tree.beat("ann"))
    return 0 if found is None else found.beat


def sleeps(life: Life) -> int:
    """Count how often the agent's threads went to sleep."""
    count = 0
    for task in Path(f"/proc/{life.pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        count += int(next(line for line in lines if line.startswith("voluntary")).split()[1])
    return count


@pytest.mark.linux("a folder tells a thread of its changes")
@pytest.mark.skipif(NO_DNOTIFY, reason="this system has no dnotify")
def test_writes_into_a_watched_folder_are_told_once_and_to_its_thread_alone(tmp_path: Path) -> None:
    told: list[bool] = []
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def watch() -> None:
        folder = WatchedFolder(tmp_path)
        told.append(folder.drain())
        folder.arm()
        (tmp_path / "file").write_text("one")
        (tmp_path / "file").write_text("two")
        told.extend((folder.drain(), folder.is_armed, folder.drain()))
        (tmp_path / "file").write_text("three")
        told.append(folder.drain())
        folder.arm()
        told.append(folder.drain())
        (tmp_path / "file").write_text("four")
        told.append(folder.drain())
        folder.close()

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    assert told == [False, True, False, False, False, False, True]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == blocked


def test_a_folder_that_is_not_there_is_never_told_of(tmp_path: Path) -> None:
    folder = WatchedFolder(tmp_path / "none")
    folder.arm()
    assert (folder.is_armed, folder.drain(), folder.fileno()) == (False, False, -1)
    folder.close()


@pytest.mark.linux("a folder tells a thread of its changes")
@pytest.mark.skipif(NO_DNOTIFY, reason="this system has no dnotify")
def test_an_agent_at_rest_wakes_up_for_its_beats_and_hardly_else(stage: Make) -> None:
    one, life = resting(stage, WAITS)
    first, slept = beats(one), sleeps(life)
    wait_for(lambda: beats(one) >= first + 12, "more beats")
    assert sleeps(life) - slept <= 2 * (beats(one) - first) + 4


@pytest.mark.parametrize("has_dnotify", [True, False])
def test_what_a_program_says_after_a_long_silence_is_heard(
    stage: Make, monkeypatch: pytest.MonkeyPatch, has_dnotify: bool
) -> None:
    if not has_dnotify:
        monkeypatch.delattr(fcntl, "F_NOTIFY")
    one, _ = resting(stage, SPEAKS_LATER + "exec sleep 100")
    (one.outside / "go").touch()
    wait_for(lambda: one.mail("all", "ann"), "the discovery")


def test_a_pause_by_hand_is_seen_at_rest(stage: Make) -> None:
    one, life = resting(stage, WAITS)
    path = one.tree.agent_spec("ann")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"want": "pause"}))
    assert life.wait() == 0
    assert one.exit("ann")["reason"] == "paused"


def test_a_time_limit_that_is_edited_by_hand_counts_at_rest(stage: Make) -> None:
    one, life = resting(stage, WAITS)
    path = one.tree.task_spec("ann")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"timeout_s": 0.5}))
    assert life.wait() == 1
    assert "timed out" in one.exit("ann")["detail"]


def test_the_handle_of_an_agent_at_rest_comes_back(stage: Make) -> None:
    one, _ = resting(stage, WAITS)
    shutil.rmtree(one.tree.run_agents)
    wait_for(one.tree.handle("ann").exists, "the handle")
    wait_for(one.tree.beat("ann").exists, "its beat")


@pytest.mark.linux("a folder tells a thread of its changes")
@pytest.mark.skipif(NO_DNOTIFY, reason="this system has no dnotify")
def test_a_disk_that_stalls_for_longer_than_all_intervals_ends_no_agent(stage: Make) -> None:
    """It rests while everything that is due at a time is overdue: beat, save and checkpoint."""

    def stall(name: str, arguments: tuple[object, ...]) -> None:
        if name == "fdatasync" and threading.current_thread().name == "pulse":
            threading.Event().wait(0.3)

    intervals = QUICK | {"checkpoint_s": 0.1}
    one = stage({"ann": shell("for i in 1 2 3 4; do echo $i; sleep 1; done")}, intervals=intervals)
    assert one.live("ann", tap=stall).wait() == 0
    assert one.exit("ann")["reason"] == "parked"
    assert "Traceback" not in one.log()


@pytest.mark.linux("memory is moved to swap by the kernel")
@pytest.mark.skipif(NO_DNOTIFY, reason="this system has no dnotify")
def test_the_memory_of_an_agent_at_rest_goes_to_swap_and_it_goes_on(stage: Make, tmp_path: Path) -> None:
    with swap_space(tmp_path):
        one = stage({"ann": shell(SPEAKS_LATER + "echo done")}, intervals=QUICK | {"rest_s": 1.0})
        life = one.live("ann")
        one.wait_word("here")
        wait_for(lambda: swapped_bytes(life.pid) > 1 << 20, "memory in swap")
        (one.outside / "go").touch()
        assert life.wait() == 0
    assert one.mail("all", "ann")
    assert one.exit("ann")["reason"] == "parked"  # nothing is left to do


OFFERED = pytest.mark.skipif(not offers_pages(), reason="this kernel merges no pages (KSM)")


@OFFERED
@pytest.mark.linux("pages are merged by the kernel")
def test_an_agent_at_rest_offers_its_memory_where_people_chose_that_and_withdraws_it(stage: Make) -> None:
    chosen = QUICK | {"rest_s": 1.0, "at_rest": "merge"}
    one = stage({"ann": shell(SPEAKS_LATER + "echo done")}, intervals=chosen)
    life = one.live("ann")
    one.wait_word("here")
    wait_for(lambda: offered_bytes(life.pid) > 1 << 20, "memory that is offered")
    path = one.tree.orchestration_spec
    path.write_text(json.dumps(json.loads(path.read_text()) | {"intervals": QUICK | {"rest_s": 1.0}}))
    wait_for(lambda: offered_bytes(life.pid) == 0, "memory that is withdrawn")
    (one.outside / "go").touch()
    assert life.wait() == 0
    assert one.mail("all", "ann")


@pytest.mark.linux("pages are merged by the kernel")
def test_memory_of_agents_at_rest_is_merged_and_they_go_on(stage: Make) -> None:
    with merged_pages():
        chosen = QUICK | {"rest_s": 1.0, "at_rest": "merge"}
        agents = {name: shell(SPEAKS_LATER + "echo done") for name in ("ann", "bob")}
        one = stage(agents, intervals=chosen)
        lives = [one.live(name) for name in agents]
        one.wait_word("here")
        wait_for(lambda: min(merged_bytes(life.pid) for life in lives) > 1 << 20, "memory that is merged")
        (one.outside / "go").touch()
        assert [life.wait() for life in lives] == [0, 0]
    assert [one.exit(name)["reason"] for name in agents] == ["parked", "parked"]
    assert [len(one.mail("all", name)) for name in agents] == [1, 1]


@OFFERED
@pytest.mark.linux("pages are merged by the kernel")
def test_nothing_is_offered_to_be_merged_where_nobody_chose_that(stage: Make, tmp_path: Path) -> None:
    with swap_space(tmp_path):
        one = stage({"ann": shell(WAITS)}, intervals=QUICK | {"rest_s": 1.0})
        life = one.live("ann")
        wait_for(lambda: swapped_bytes(life.pid) > 1 << 20, "memory in swap")
        assert offered_bytes(life.pid) == 0
        life.kill()


def given(rests: list[tuple[float, float]], *, after_s: float) -> list[bool]:
    """Say of each rest, begin to end, if memory was given back in it, with a look each second."""
    gives: list[float] = []
    now_s = 0.0
    memory = MemoryAtRest("", lambda _way: gives.append(now_s))  # a name whose share is nothing
    told = []
    for since_s, until_s in rests:
        count, now_s = len(gives), since_s
        while now_s < until_s:
            memory.look(since_s, now_s, after_s=after_s, way="swap")
            now_s += 1.0
        told.append(len(gives) - count)
    assert all(number <= 1 for number in told)
    return [bool(number) for number in told]


def test_memory_is_given_back_once_in_a_rest_that_is_long_enough() -> None:
    assert given([(100, 159), (200, 262), (300, 1000)], after_s=60) == [False, True, True]


def test_who_is_woken_soon_waits_twice_as_long_the_next_time() -> None:
    rests = [(100, 170), (171, 280), (300, 430), (431, 660), (700, 930), (1000, 5000), (5001, 5130)]
    assert given(rests, after_s=60) == [True, False, True, False, False, True, True]


def test_memory_stays_where_it_is_if_people_say_so() -> None:
    assert given([(100, 10_000)], after_s=0) == [False]


def test_what_is_offered_is_withdrawn_at_once_by_whoever_chose_otherwise() -> None:
    told: list[str] = []
    memory = MemoryAtRest("", told.append, lambda: told.append("withdrawn"))
    memory.look(0, 100, after_s=60, way="merge")
    memory.look(101, 102, after_s=60, way="swap")
    memory.look(101, 103, after_s=60, way="swap")
    memory.look(101, 400, after_s=60, way="merge")
    memory.look(101, 401, after_s=0, way="merge")
    assert told == ["merge", "withdrawn", "merge", "withdrawn"]
