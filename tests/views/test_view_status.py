"""What `status` says of trees in every state; no process but this one is there."""

from __future__ import annotations

import os
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from view_trees import MakeTree, end, live, pass_for, put

from maos_sup.core.memory import to_record
from maos_sup.core.model import GiveUp
from maos_sup.views.events import outcome_text
from maos_sup.views.status import Watcher, is_settled, status_of
from state_layout.errors import LayoutError
from state_layout.files import atomic
from state_layout.files.journal import Journal
from state_layout.paths import Tree
from state_layout.specs import edit_spec, read_specs

RUNNING = ("task", {"task": "t0", "run": 1, "phase": "running"})
DONE = ("task", {"task": "t0", "run": 1, "phase": "done", "result": {"n": 3}, "elapsed_s": 1.5})


def agent_of(tree: Tree, name: str) -> dict[str, object]:
    return next(agent for agent in status_of(tree)["agents"] if agent["name"] == name)


def task_of(tree: Tree, name: str) -> dict[str, object]:
    return next(task for task in status_of(tree)["tasks"] if task["id"] == name)


def begin_supervisor_life(tree: Tree, *lines: tuple[str, dict[str, object]]) -> None:
    path = tree.life_journal(1)
    path.parent.mkdir(parents=True)
    journal = Journal.create(path)
    journal.commit("start", {"life": 1, "pin": None, "memory": {"agents": {}, "outcomes": {}}})
    for line in lines:
        journal.commit(*line)
    journal.close()


def test_status_has_the_promised_keys(make_tree: MakeTree) -> None:
    status = status_of(make_tree())
    assert {
        "id",
        "request",
        "want",
        "phase",
        "supervisor",
        "agents",
        "tasks",
        "spec_errors",
        "counts",
    } <= set(status)
    assert {"alive", "pid"} <= set(status["supervisor"])
    assert {
        "name", "kind", "phase", "pid", "attempt", "task", "progress", "last_output_at", "messages",
        "cost_usd",
    } <= set(status["agents"][0])  # fmt: skip
    assert {"id", "agent", "phase", "needs", "progress", "attempts", "result"} <= set(status["tasks"][0])


def test_fresh_tree_is_interrupted_with_its_first_task_ready(make_tree: MakeTree) -> None:
    status = status_of(make_tree(3))
    assert status["phase"] == "interrupted"
    assert [task["phase"] for task in status["tasks"]] == ["ready", "waiting", "waiting"]
    assert [agent["phase"] for agent in status["agents"]] == ["queued", "waiting", "waiting"]
    assert status["created_at"] == "2026-11-21T01:42:00.000Z"


def test_tasks_stand_as_planned_those_without_a_place_come_last(make_tree: MakeTree) -> None:
    tree = make_tree(12)
    for task, order in (("t9", 1), ("t3", 2), ("t10", 2)):
        edit_spec(tree, tree.task_spec(task), lambda spec, order=order: {**spec, "order": order})
    shown = [task["id"] for task in status_of(tree)["tasks"]]
    assert shown == ["t9", "t3", "t10", "t0", "t1", "t2", "t4", "t5", "t6", "t7", "t8", "t11"]


def test_running_task_of_a_dead_process_is_interrupted(make_tree: MakeTree) -> None:
    tree = make_tree()
    live(tree, "a0", [RUNNING])
    put(tree.agent("a0").status, {"attempt": 1, "task": "t0", "tasks": {"t0": {"phase": "running"}}})
    assert task_of(tree, "t0")["phase"] == "interrupted"
    assert agent_of(tree, "a0")["task"] is None


def test_journal_is_believed_where_the_snapshot_is_older(make_tree: MakeTree) -> None:
    tree = make_tree()
    live(tree, "a0", [RUNNING, DONE])
    put(tree.agent("a0").status, {"attempt": 1, "task": "t0", "tasks": {"t0": {"phase": "running"}}})
    assert (task_of(tree, "t0")["phase"], task_of(tree, "t0")["result"]) == ("done", {"n": 3})
    assert task_of(tree, "t1")["phase"] == "ready"


@pytest.mark.parametrize(
    "snapshot", [None, b"", b'{"tasks": {"t0"', b"[]", b'{"tasks": {"t0": {"phase": "odd"}}}']
)
def test_missing_or_damaged_snapshot_is_made_anew_from_the_journal(
    make_tree: MakeTree, snapshot: bytes | None
) -> None:
    tree = make_tree()
    live(tree, "a0", [RUNNING, DONE])
    if snapshot is not None:
        tree.agent("a0").status.write_bytes(snapshot)
    assert task_of(tree, "t0")["phase"] == "done"


def test_done_task_stays_done_while_its_agent_starts_anew_in_a_copy(make_tree: MakeTree) -> None:
    """A copy or a fork has no snapshots, and a process that has just been started has written none yet."""
    tree = make_tree()
    live(tree, "a0", [RUNNING, DONE])
    end(tree, "a0", 1)
    pass_for(tree, tree.handle("a0"), attempt=2)
    assert (task_of(tree, "t0")["phase"], task_of(tree, "t1")["phase"]) == ("done", "ready")
    assert (agent_of(tree, "a0")["pid"], agent_of(tree, "a0")["phase"]) == (os.getpid(), "starting")


def test_snapshot_of_an_orderly_end_is_enough(make_tree: MakeTree) -> None:
    tree = make_tree()
    live(tree, "a0", [RUNNING, DONE])
    put(
        tree.agent("a0").status,
        {
            "attempt": 1,
            "sent": 2,
            "received": 1,
            "cost_usd": 0.5,
            "tasks": {"t0": {"phase": "done", "run": 1}},
        },
    )
    end(tree, "a0", 1)
    agent = agent_of(tree, "a0")
    assert (agent["phase"], agent["messages"], agent["cost_usd"]) == ("done", 3, 0.5)


def test_living_agent_shows_its_pid_task_and_last_line(make_tree: MakeTree) -> None:
    tree = make_tree()
    attempt = live(tree, "a0", [RUNNING])
    attempt.paths.stdout.write_bytes(b"one\n\x1b[31mtwo\x1b[0m\n\n")
    put(
        tree.agent("a0").status,
        {
            "attempt": 1,
            "phase": "running",
            "task": "t0",
            "progress": 0.4,
            "tasks": {"t0": {"phase": "running"}},
        },
    )
    pass_for(tree, tree.handle("a0"))
    status = status_of(tree)
    agent = status["agents"][0]
    assert (agent["pid"], agent["phase"], agent["task"], agent["progress"]) == (
        os.getpid(),
        "running",
        "t0",
        0.4,
    )
    assert agent["last_line"] == "two"
    assert agent["last_output_at"] is not None
    assert (status["phase"], status["counts"]["alive"]) == ("running", 1)


def test_handle_without_a_matching_host_file_is_not_alive(make_tree: MakeTree) -> None:
    tree = make_tree()
    live(tree, "a0", [RUNNING])
    pass_for(tree, tree.handle("a0"))
    tree.host.unlink()
    assert agent_of(tree, "a0")["pid"] is None


def test_copy_does_not_take_the_originals_processes_for_its_own(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree()
    live(tree, "a0", [RUNNING])
    pass_for(tree, tree.handle("a0"))
    pass_for(tree, tree.supervisor_handle)
    assert status_of(tree)["supervisor"]["alive"]
    copy = Tree(shutil.copytree(tree.root, tmp_path / "copy"))
    status = status_of(copy)
    assert not status["supervisor"]["alive"]
    assert status["agents"][0]["pid"] is None
    assert status["phase"] == "interrupted"


def test_task_the_supervisor_gave_up_stays_failed_without_it(make_tree: MakeTree) -> None:
    tree = make_tree()
    live(tree, "a0", [RUNNING])
    begin_supervisor_life(
        tree, to_record(GiveUp(agent="a0", attempt=1, reason="exit code 7", tasks={"t0": 1}))
    )
    status = status_of(tree)
    assert [task["phase"] for task in status["tasks"]] == ["failed", "blocked"]
    assert status["tasks"][0]["error"] == "exit code 7"
    assert status["phase"] == "failed"
    assert is_settled(status)


def test_task_the_supervisor_gave_up_says_how_often_it_was_tried(make_tree: MakeTree) -> None:
    tree = make_tree()
    tried = ("task", {"task": "t0", "run": 1, "phase": "interrupted", "exit_code": 7, "elapsed_s": 1.5})
    live(tree, "a0", [RUNNING, tried, RUNNING, tried])
    gave_up = GiveUp(agent="a0", attempt=1, reason="the program ended with exit code 7", tasks={"t0": 1})
    begin_supervisor_life(tree, to_record(gave_up))
    task = task_of(tree, "t0")
    assert (task["phase"], task["attempts"], task["exit_code"]) == ("failed", 2, 7)
    assert "after 2 attempts: the program ended with exit code 7" in outcome_text(task)


def test_agent_that_has_begun_is_not_starting_for_what_its_supervisor_said_before(
    make_tree: MakeTree,
) -> None:
    tree = make_tree()
    live(tree, "a0", [RUNNING])
    put(tree.supervisor_status, {"life": 1, "agents": {"a0": {"phase": "starting"}}})
    pass_for(tree, tree.supervisor_handle)
    pass_for(tree, tree.handle("a0"))
    put(tree.agent("a0").status, {"attempt": 1, "phase": "starting", "task": None})
    assert agent_of(tree, "a0")["phase"] == "starting"
    put(tree.agent("a0").status, {"attempt": 1, "phase": "running", "task": "t0"})
    assert agent_of(tree, "a0")["phase"] == "running"
    asked = {"id": "a0-1", "task": "t0", "run": 1, "text": "May I?", "at": "2026-11-21T01:42:00.000Z"}
    status = {"attempt": 1, "phase": "running", "task": "t0", "run": 1, "questions": [asked]}
    put(tree.agent("a0").status, status)
    assert agent_of(tree, "a0")["phase"] == "asking"


def test_note_that_its_supervisor_and_its_journal_give_is_said_once(make_tree: MakeTree) -> None:
    tree = make_tree()
    attempt = live(tree, "a0", [RUNNING])
    with attempt.paths.journal.open("ab") as file:
        file.write(b"half a li")
    notes = status_of(tree)["notes"]
    assert len(notes) == 1
    put(tree.supervisor_status, {"life": 1, "notes": [notes[0].removeprefix("a0: ")]})
    assert status_of(tree)["notes"] == [notes[0].removeprefix("a0: ")]


def test_retry_of_a_failed_task_makes_it_ready_again(make_tree: MakeTree) -> None:
    tree = make_tree()
    live(tree, "a0", [("task", {"task": "t0", "run": 1, "phase": "failed", "error": "no"})])
    assert task_of(tree, "t0")["phase"] == "failed"
    tree.task_spec("t0").write_text('{"agent": "a0", "run": 2}')
    task = task_of(tree, "t0")
    assert (task["phase"], task["run"], task["error"], task["attempts"]) == ("ready", 2, None, 0)


def test_all_done_is_done_whatever_is_wanted(make_tree: MakeTree) -> None:
    tree = make_tree(1, want="stop")
    live(tree, "a0", [RUNNING, DONE])
    assert status_of(tree)["phase"] == "done"


@pytest.mark.parametrize(
    ("want", "phase"), [("pause", "paused"), ("stop", "stopped"), ("run", "interrupted")]
)
def test_phase_without_processes_follows_what_is_wanted(make_tree: MakeTree, want: str, phase: str) -> None:
    assert status_of(make_tree(want=want))["phase"] == phase


def test_paused_with_an_agent_still_at_work_is_running(make_tree: MakeTree) -> None:
    tree = make_tree(want="pause")
    live(tree, "a0", [RUNNING])
    pass_for(tree, tree.handle("a0"))
    assert status_of(tree)["phase"] == "running"


def test_bad_spec_file_is_named_and_the_rest_shown(make_tree: MakeTree) -> None:
    tree = make_tree()
    tree.task_spec("t1").write_text('{"agent": "a1",\n "want": "runn"}')
    status = status_of(tree)
    assert [task["id"] for task in status["tasks"]] == ["t0"]
    assert status["spec_errors"][0]["path"] == "spec/tasks/t1.json"
    assert status["spec_errors"][0]["line"] == 2


def test_no_good_orchestration_file_is_an_error_that_names_it(make_tree: MakeTree) -> None:
    tree = make_tree()
    tree.orchestration_spec.write_text("{")
    with pytest.raises(LayoutError, match=r"spec/orchestration\.json"):
        status_of(tree)


def test_damaged_journal_is_a_note_and_not_an_error(make_tree: MakeTree) -> None:
    tree = make_tree()
    attempt = live(tree, "a0", [RUNNING, DONE])
    data = bytearray(attempt.paths.journal.read_bytes())
    data[20] ^= 1
    attempt.paths.journal.write_bytes(data)
    assert any("a0" in note and "journal.jsonl" in note for note in status_of(tree)["notes"])


def test_tree_being_copied_shows_what_is_there(make_tree: MakeTree) -> None:
    tree = make_tree()
    live(tree, "a0", [RUNNING, DONE])
    shutil.rmtree(tree.agents)
    shutil.rmtree(tree.supervisor, ignore_errors=True)
    assert status_of(tree)["phase"] == "interrupted"


def test_watcher_shows_what_came_went_and_was_edited(
    make_tree: MakeTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = make_tree(2)
    watcher = Watcher(tree)

    def shown() -> dict[str, str]:
        return {task["id"]: task["description"] for task in watcher.status()["tasks"]}

    assert shown().keys() == {"t0", "t1"}
    monkeypatch.setattr(watcher._reader, "_due_s", float("inf"))  # all but the folders believed for ever
    put(tree.task_spec("t2"), {"agent": "a0"})
    assert shown().keys() == {"t0", "t1", "t2"}
    tree.task_spec("t2").unlink()
    assert shown().keys() == {"t0", "t1"}
    monkeypatch.setattr(watcher._reader, "_due_s", 0.0)
    tree.task_spec("t1").write_text('{"agent": "a0", "description": "edited in place"}')
    assert shown()["t1"] == "edited in place"


@pytest.mark.parametrize(
    "content",
    [b'{"agent": "a0", "needs": ["nowhere"]}', b'{"agent": "a0", "needs": ["t0"]}', b'{"agnt": "a0"}', b"{"],
)
def test_specs_that_a_supervisor_has_in_force_are_shown_as_when_all_is_checked(
    make_tree: MakeTree, content: bytes
) -> None:
    """What its snapshot says of digests saves checks, and hides no mistake that was made since."""
    tree = make_tree(3)
    read = read_specs(tree)
    for rel, data in read.raw.items():
        atomic.make_folder((tree.accepted / rel).parent)
        (tree.accepted / rel).write_bytes(data)
    full = status_of(tree)
    put(tree.supervisor_status, {"phase": "running", "life": 1, "specs": read.digests})
    assert status_of(tree) == full
    tree.task_spec("t0").write_bytes(content)
    told = status_of(tree)
    put(tree.supervisor_status, {"phase": "running", "life": 1})
    assert told == status_of(tree)
    assert len(told["spec_errors"]) == 1 and told["tasks"][0]["needs"] == []


def test_digest_of_a_supervisor_that_is_of_no_good_file_is_not_believed(make_tree: MakeTree) -> None:
    tree = make_tree(2)
    tree.task_spec("t1").write_bytes(b'{"agent": 7, "needs": 5}')
    digest = sha256(tree.task_spec("t1").read_bytes()).hexdigest()
    put(tree.supervisor_status, {"phase": "running", "life": 1, "specs": {"tasks/t1.json": digest}})
    assert [task["id"] for task in status_of(tree)["tasks"]] == ["t0"]


def test_task_whose_file_is_gone_is_shown_by_its_accepted_copy(make_tree: MakeTree) -> None:
    tree = make_tree(2)
    copy = tree.accepted / "tasks" / "t1.json"
    atomic.make_folder(copy.parent)
    tree.task_spec("t1").rename(copy)
    status = status_of(tree)
    assert [task["id"] for task in status["tasks"]] == ["t0", "t1"]
    assert "is missing" in status["spec_errors"][0]["text"]
