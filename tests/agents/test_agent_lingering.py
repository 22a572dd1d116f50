"""An agent that stays though nothing is ready, without a supervisor that would tell it anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from stage import QUICK, Life, Stage, shell, wait_for

from state_layout.host.triggers import GIVE_WAY, pull

TASKS = {
    "one": {"agent": "ann"},
    "gate": {"agent": "bob"},
    "two": {"agent": "ann", "needs": ["gate"]},
}
MakeStage = Callable[..., Stage]


def staying(stage: MakeStage, *, linger_s: float) -> tuple[Stage, Life]:
    """A stage on which ann has done its first task and stays."""
    intervals = {**QUICK, "linger_s": linger_s}
    one = stage({"ann": shell("true"), "bob": shell("true")}, TASKS, intervals=intervals)
    life = one.live("ann")
    wait_for(lambda: one.status("ann").get("phase") == "waiting", "ann stays")
    return one, life


def test_it_ends_when_the_time_is_over(stage: MakeStage) -> None:
    one, life = staying(stage, linger_s=0.5)
    assert life.wait() == 0
    assert one.exit("ann")["reason"] == "parked"
    assert one.status("ann")["phase"] == "parked"


def test_it_looks_once_more_when_the_time_is_over(stage: MakeStage) -> None:
    """Nobody pulled its trigger: a need was met in the meantime all the same."""
    one, life = staying(stage, linger_s=5.0)
    assert one.run("bob") == 0
    assert life.wait() == 0
    assert {task: each.phase for task, each in one.history("ann").tasks.items()} == {
        "one": "done",
        "two": "done",
    }
    assert len(one.lines("ann", "start")) == 1


def test_it_goes_on_when_its_trigger_is_pulled(stage: MakeStage) -> None:
    one, life = staying(stage, linger_s=600.0)
    assert one.run("bob") == 0
    pull(one.tree, "ann")
    assert life.wait() == 0
    assert one.history("ann").tasks["two"].phase == "done"


def test_it_gives_way_when_asked_and_begins_nothing(stage: MakeStage) -> None:
    one, life = staying(stage, linger_s=600.0)
    assert one.run("bob") == 0
    pull(one.tree, "ann", about=GIVE_WAY)
    assert life.wait() == 0
    assert one.exit("ann")["reason"] == "parked"
    assert "two" not in one.history("ann").tasks
    assert one.run("ann") == 0
    assert one.history("ann").tasks["two"].phase == "done"


@pytest.mark.parametrize("is_there_at_first", [False, True])
def test_it_does_not_stay_where_nobody_can_tell_it(
    stage: MakeStage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_there_at_first: bool
) -> None:
    """The runtime folder is missing, or goes while it works, as at a logout."""
    runtime = tmp_path / "runtime"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    program = "true"
    if is_there_at_first:
        runtime.mkdir(mode=0o700)
        program = f'until ls "{runtime}"/*/*/ann; do sleep 0.02; done; rm -r "{runtime}"'
    intervals = {**QUICK, "linger_s": 600.0}
    one = stage({"ann": shell(program), "bob": shell("true")}, TASKS, intervals=intervals)
    assert one.run("ann") == 0
    assert one.exit("ann")["reason"] == "parked"
    assert one.history("ann").tasks["one"].phase == "done"


@pytest.mark.parametrize("linger_s", [0, 600.0])
def test_it_does_not_stay_for_what_is_not_to_come(stage: MakeStage, linger_s: float) -> None:
    """All is done, or nothing of others is waited for."""
    tasks = {"one": {"agent": "ann"}, "two": {"agent": "ann", "needs": ["one"]}}
    one = stage({"ann": shell("true")}, tasks, intervals={**QUICK, "linger_s": linger_s})
    assert one.run("ann") == 0
    assert one.exit("ann")["reason"] == "parked"
