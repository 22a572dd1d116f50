"""Steering what runs: by command, and by plain writes into `spec/` as an editor does them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from orchestra import Orchestra
from processes import kill

ONE_TRY = {"max": 0, "window_s": 60, "backoff_s": 0.1, "backoff_max_s": 0.2}
GATED = 'echo "begin $MAOS_ATTEMPT $MAOS_RESUMED"; while [ ! -e "$OUT/go" ]; do sleep 0.05; done; echo end'


def rewrite(path: Path, **changes: Any) -> None:
    """Edit as people do: truncate and write, no rename, no lock."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}, indent=2))


def test_pause_and_start_by_command(orchestra: Orchestra) -> None:
    orchestra.start({"ann": GATED, "bob": GATED})
    orchestra.wait_alive()
    orchestra.do("pause")
    orchestra.wait(lambda: orchestra.phase() == "paused", "paused")
    assert orchestra.pids() == {}
    assert {task["phase"] for task in orchestra.status()["tasks"]} == {"interrupted"}
    orchestra.say("go")
    orchestra.do("start")
    orchestra.wait_rest("done")
    assert orchestra.output("ann") == "begin 1 0\nbegin 2 1\nend\n"
    assert [agent["restarts"] for agent in orchestra.status()["agents"]] == [0, 0]
    orchestra.assert_nothing_left()
    orchestra.assert_sound()


def test_pause_and_run_by_editing_the_file(orchestra: Orchestra) -> None:
    orchestra.start({"ann": GATED})
    orchestra.wait_alive()
    rewrite(orchestra.tree.orchestration_spec, want="pause")
    orchestra.wait(lambda: orchestra.phase() == "paused", "paused")
    orchestra.say("go")
    rewrite(orchestra.tree.orchestration_spec, want="run")
    orchestra.wait_rest("done")


def test_one_agent_pauses_while_the_other_goes_on(orchestra: Orchestra) -> None:
    orchestra.start({"ann": GATED, "bob": GATED})
    before = orchestra.wait_alive()
    orchestra.do("pause", "--agent", "ann")
    orchestra.wait(lambda: "ann" not in orchestra.pids(), "ann is gone")
    assert orchestra.pids() == {"bob": before["bob"]}
    orchestra.say("go")
    orchestra.wait(lambda: orchestra.task("bob")["phase"] == "done", "bob is done")
    assert orchestra.task("ann")["phase"] == "interrupted"
    orchestra.do("start", "--agent", "ann")
    orchestra.wait_rest("done")


def test_a_paused_task_lets_the_next_one_begin(orchestra: Orchestra) -> None:
    tasks = [{"id": "one", "agent": "ann"}, {"id": "two", "agent": "ann"}]
    wait = 'while [ ! -e "$OUT/go" ]; do sleep 0.05; done'
    line = f'case $MAOS_TASK_ID in one) {wait};; esac; echo "$MAOS_TASK_ID"'
    orchestra.start({"ann": line}, tasks)
    orchestra.wait_alive()
    orchestra.do("pause", "--task", "one")
    orchestra.wait(lambda: orchestra.task("two")["phase"] == "done", "the second is done")
    assert orchestra.task("one")["phase"] == "paused"
    orchestra.say("go")
    orchestra.do("start", "--task", "one")
    orchestra.wait_rest("done")
    assert orchestra.output("ann") == "two\none\n"


def test_cancel_by_command_ends_a_task_and_the_agent_goes_on(orchestra: Orchestra) -> None:
    line = 'case $MAOS_TASK_ID in one) setsid sleep 600 & sleep 600;; esac; echo "$MAOS_TASK_ID"'
    tasks = [{"id": "one", "agent": "ann"}, {"id": "two", "agent": "ann"}]
    orchestra.start({"ann": line}, tasks, limits={"stop_grace_s": 0.5})
    orchestra.wait(lambda: orchestra.task("one")["phase"] == "running", "the first runs")
    orchestra.do("cancel", "--task", "one")
    orchestra.wait_rest("done")
    assert orchestra.task("one")["phase"] == "cancelled"
    assert orchestra.output("ann") == "two\n"
    orchestra.assert_nothing_left()


def test_cancel_by_editing_the_file(orchestra: Orchestra) -> None:
    orchestra.start({"ann": "sleep 600"})
    orchestra.wait_alive()
    rewrite(orchestra.tree.task_spec("ann"), want="cancel")
    orchestra.wait_rest("done")
    assert orchestra.task("ann")["phase"] == "cancelled"
    orchestra.assert_nothing_left()


def test_retry_runs_a_failed_task_again(orchestra: Orchestra) -> None:
    line = '[ -e "$OUT/mended" ] || exit 5; echo mended'
    done = orchestra.run({"ann": {"kind": "command", "shell": line, "restart": ONE_TRY}})
    assert done.returncode == 3
    orchestra.say("mended")
    orchestra.do("retry")
    orchestra.wait_rest("done")
    assert (orchestra.task("ann")["run"], orchestra.task("ann")["phase"]) == (2, "done")


def test_retry_by_editing_the_file_while_it_runs(orchestra: Orchestra) -> None:
    line = 'echo run >> "$OUT/runs"'
    orchestra.start({"ann": line, "bob": GATED})
    orchestra.wait(lambda: orchestra.task("ann")["phase"] == "done", "done once")
    rewrite(orchestra.tree.task_spec("ann"), run=2)
    orchestra.wait(lambda: orchestra.word("runs") == "run\nrun\n", "done twice")
    orchestra.say("go")
    orchestra.wait_rest("done")
    assert orchestra.task("ann")["run"] == 2


def test_skip_lets_what_needs_a_failed_task_begin(orchestra: Orchestra) -> None:
    tasks = [{"id": "breaks", "agent": "ann"}, {"id": "next", "agent": "bob", "needs": ["breaks"]}]
    done = orchestra.run(
        {"ann": {"kind": "command", "shell": "exit 1", "restart": ONE_TRY}, "bob": "echo hi"}, tasks
    )
    assert done.returncode == 3
    assert orchestra.task("next")["phase"] == "blocked"
    orchestra.do("skip", "--task", "breaks")
    orchestra.wait_rest("done")
    assert [task["phase"] for task in orchestra.status()["tasks"]] == ["skipped", "done"]


def test_skip_by_editing_the_file_of_a_waiting_task(orchestra: Orchestra) -> None:
    tasks = [
        {"id": "long", "agent": "ann"},
        {"id": "middle", "agent": "bob", "needs": ["long"]},
        {"id": "last", "agent": "bob", "needs": ["middle"]},
    ]
    orchestra.start({"ann": GATED, "bob": 'echo "$MAOS_TASK_ID"'}, tasks)
    rewrite(orchestra.tree.task_spec("middle"), want="skip")
    orchestra.wait(lambda: orchestra.task("last")["phase"] == "done", "the last is done")
    orchestra.say("go")
    orchestra.wait_rest("done")
    assert orchestra.output("bob") == "last\n"


def test_files_dropped_into_spec_add_an_agent_and_a_task(orchestra: Orchestra) -> None:
    orchestra.start({"ann": GATED})
    before = orchestra.wait_alive()
    new = {"kind": "command", "shell": 'echo "I am $MAOS_AGENT: $(cat)"'}
    (orchestra.tree.agent_specs / "eve.json").write_text(json.dumps(new))
    task = {"agent": "eve", "description": "say who you are"}
    (orchestra.tree.task_specs / "greet.json").write_text(json.dumps(task))
    orchestra.wait(lambda: "greet" in {task["id"] for task in orchestra.status()["tasks"]}, "it is seen")
    orchestra.wait(lambda: orchestra.task("greet")["phase"] == "done", "the new task is done")
    assert orchestra.output("eve") == "I am eve: say who you are\n"
    assert orchestra.pids()["ann"] == before["ann"]
    orchestra.say("go")
    orchestra.wait_rest("done")


def test_resume_with_a_new_task_goes_on_after_all_was_done(orchestra: Orchestra) -> None:
    assert orchestra.run({"ann": "cat"}).returncode == 0
    orchestra.do("resume", "--task", "One more thing", "--detach")
    orchestra.wait_rest("done")
    assert orchestra.output("ann").endswith("One more thing\n")
    assert len(orchestra.status()["tasks"]) == 2


def test_a_bad_edit_keeps_the_last_good_version_and_is_shown(orchestra: Orchestra) -> None:
    orchestra.start({"ann": GATED, "bob": GATED})
    before = orchestra.wait_alive()
    path = orchestra.tree.agent_spec("ann")
    good = path.read_text()
    bad = good.replace('"want": "run"', '"want": "runn"')
    assert bad != good
    path.write_text(bad)
    told = orchestra.wait(lambda: orchestra.status()["spec_errors"], "the error is shown")
    assert told[0]["path"] == "spec/agents/ann.json"
    assert "'want' is 'runn'" in told[0]["text"] and told[0]["line"] > 0
    orchestra.wait(lambda: orchestra.events("spec_error"), "the error is journaled")
    assert "runn" in orchestra.do("status")
    path.write_text("{ this is no JSON")
    orchestra.wait(
        lambda: "'want'" not in orchestra.status()["spec_errors"][0]["text"], "the new error is shown"
    )
    path.unlink()
    orchestra.wait(lambda: "missing" in orchestra.status()["spec_errors"][0]["text"], "the loss is shown")
    assert orchestra.pids() == before
    path.write_text(good)
    orchestra.wait(lambda: not orchestra.status()["spec_errors"], "no error any more")
    orchestra.say("go")
    orchestra.wait_rest("done")
    assert orchestra.attempts() == {"ann": 1, "bob": 1}


def test_more_slots_by_command_start_what_was_queued(orchestra: Orchestra) -> None:
    orchestra.start({"ann": GATED, "bob": GATED, "cid": GATED}, limits={"max_agents": 1})
    orchestra.wait(lambda: len(orchestra.pids()) == 1, "one lives")
    orchestra.do("set", "limits.max_agents", "3")
    orchestra.wait(lambda: len(orchestra.pids()) == 3, "three live")
    orchestra.say("go")
    orchestra.wait_rest("done")


def test_peoples_mail_reaches_the_agent_by_command_and_by_echo(orchestra: Orchestra) -> None:
    orchestra.file(
        "ears.py",
        """
        def main(ctx):
            heard = []
            while "enough" not in heard:
                heard.append(ctx.receive().text)
            return {"heard": heard}
        """,
    )
    orchestra.start({"ann": {"kind": "python", "callable": "ears:main"}})
    orchestra.wait_alive()
    orchestra.do("send", "ann", "focus on auth")
    box = orchestra.tree.mail_file("ann", "operator")
    with box.open("a") as file:
        file.write('{"text": "by hand"}\n\nno json at all\n{"text": "without an end"}')
    orchestra.do("send", "ann", "enough")
    orchestra.wait_rest("done")
    assert orchestra.task("ann")["result"] == {
        "heard": ["focus on auth", "by hand", "without an end", "enough"]
    }


def test_a_question_is_answered_by_touching_a_file(orchestra: Orchestra) -> None:
    orchestra.file(
        "asks.py",
        """
        def main(ctx):
            return {"answer": ctx.ask("May I delete it?").is_yes}
        """,
    )
    orchestra.start({"ann": {"kind": "python", "callable": "asks:main"}})
    question = orchestra.wait(lambda: orchestra.status()["questions"], "a question")[0]
    assert question["text"] == "May I delete it?"
    orchestra.tree.approvals.mkdir(exist_ok=True)
    (orchestra.tree.approvals / f"{question['id']}.yes").touch()
    orchestra.wait_rest("done")
    assert orchestra.task("ann")["result"] == {"answer": True}


FORBID_INOTIFY = 'echo 0 >/proc/sys/user/max_inotify_instances && exec "$@"'
WITHOUT_INOTIFY = ["unshare", "--user", "--map-root-user", "sh", "-c", FORBID_INOTIFY, "sh"]


def test_an_edit_that_nobody_tells_the_supervisor_of_starts_no_agent_for_nothing(
    orchestra: Orchestra,
) -> None:
    """The agent sees it first and ends; the supervisor looks at what it knows before it starts it again."""
    if subprocess.run([*WITHOUT_INOTIFY, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no user namespaces here")
    orchestra.start({"ann": GATED}, intervals={"tick_s": 3})
    orchestra.wait_alive()
    first = orchestra.supervisor()
    assert first
    kill(first)
    orchestra.wait(lambda: orchestra.supervisor() is None, "the supervisor is dead")
    argv = [*WITHOUT_INOTIFY, sys.executable, "-m", "maos_sup", "supervise", str(orchestra.root)]
    with subprocess.Popen(argv, env=orchestra.environment, start_new_session=True) as process:
        orchestra.wait(lambda: orchestra.events("adopted"), "it has looked around")
        rewrite(orchestra.tree.agent_spec("ann"), want="stop")
        process.wait(30)  # nothing is left to do: it leaves
    assert orchestra.phase() == "stopped"
    assert orchestra.attempts() == {"ann": 1}


def test_a_spec_whose_name_is_not_utf8_is_named_and_ends_nothing(orchestra: Orchestra) -> None:
    orchestra.start({"ann": GATED})
    before = orchestra.wait_alive()
    supervisor = orchestra.supervisor()
    for folder in (orchestra.tree.agent_specs, orchestra.tree.task_specs):
        (folder / os.fsdecode(b"caf\xe9.json")).write_text("{}")
    orchestra.wait(lambda: len(orchestra.events("spec_error")) == 2, "both are journaled")
    told = json.loads(orchestra.do("status", "--json"))["spec_errors"]
    named = [rf"spec/{folder}/caf\udce9.json" for folder in ("agents", "tasks")]
    assert [error["path"] for error in told] == named
    assert orchestra.supervisor() == supervisor
    assert orchestra.pids() == before
    orchestra.say("go")
    orchestra.wait_rest("done")


def test_an_edit_that_is_bad_with_the_other_files_ends_nothing(orchestra: Orchestra) -> None:
    orchestra.start({"ann": 'while [ ! -e "$OUT/go" ]; do echo "found: it"; sleep 0.1; done'})
    orchestra.wait_alive()
    rewrite(orchestra.tree.task_spec("ann"), want="cancel", needs=["nobody"])
    orchestra.wait(lambda: orchestra.status()["spec_errors"], "it is refused")
    sent = orchestra.agent("ann")["sent"]
    orchestra.wait(lambda: orchestra.agent("ann")["sent"] > sent + 2, "it goes on, and looks up each time")
    rewrite(orchestra.tree.task_spec("ann"), want="run", needs=[])
    orchestra.wait(lambda: not orchestra.status()["spec_errors"], "it is mended")
    orchestra.say("go")
    orchestra.wait_rest("done")
    assert orchestra.attempts() == {"ann": 1}
