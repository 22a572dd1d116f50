"""Kind `command`: what a program gets, what counts, what is ended."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from stage import Stage, marked_pids, shell, wait_for

from state_layout.records import TaskPhase

Make = Callable[..., Stage]


def test_program_is_told_its_task_and_its_place(stage: Make) -> None:
    one = stage(
        {
            "ann": shell(
                'cat; echo "$MAOS_TASK|$MAOS_TASK_ID|$MAOS_RESUMED|$MAOS_CONTROL_FD|$LEVEL"; pwd',
                env={"LEVEL": "3"},
            )
        },
        {"count": {"agent": "ann", "description": "Count\nthem"}},
    )
    assert one.run("ann") == 0
    workspace = one.tree.agent("ann").workspace
    assert one.stdout("ann") == f"Count\nthem\nCount\nthem|count|0|3|3\n{workspace}\n"
    assert one.exit("ann")["reason"] == "parked"
    assert one.status("ann")["tasks"]["count"]["phase"] == "done"
    assert one.status("ann")["phase"] == "parked"


def test_program_works_in_the_project_under_the_umask_of_people(stage: Make, tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    one = stage(
        {"ann": shell("pwd; umask; touch made"), "bob": shell("pwd", cwd="workspace")}, project="../../repo"
    )
    before = os.umask(0o027)
    try:
        assert one.run("ann") == 0
    finally:
        os.umask(before)
    assert one.run("bob") == 0
    assert one.stdout("ann") == f"{tmp_path / 'repo'}\n0027\n"
    assert (tmp_path / "repo" / "made").stat().st_mode & 0o777 == 0o640
    assert one.stdout("bob") == f"{one.tree.agent('bob').workspace}\n"


def test_missing_project_is_a_failed_attempt_with_a_remedy(stage: Make) -> None:
    one = stage({"ann": shell("true")}, project="../../gone")
    assert one.run("ann") == 1
    assert one.exit("ann")["reason"] == "failed"
    assert "resume --project" in one.exit("ann")["detail"]
    assert one.history("ann").tasks["ann"].phase is TaskPhase.INTERRUPTED


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["no-such-program-at-all"], "not found; install it"),
        (["./script.sh"], "chmod +x"),
        (["./lost.sh"], "interpreter that its first line names"),
        (["/etc/passwd"], "chmod +x"),
    ],
)
def test_program_that_cannot_start_says_why(stage: Make, command: list[str], words: str) -> None:
    one = stage(
        {"ann": {"kind": "command", "command": command}},
        files={"script.sh": "echo hi", "lost.sh": "#!/no/such/interpreter\n"},
    )
    (one.tree.files / "script.sh").chmod(0o600)
    one.run("ann")
    assert words in str(one.history("ann").tasks["ann"].error)
    assert one.history("ann").tasks["ann"].phase is TaskPhase.FAILED  # for good: it is not tried again


def test_file_of_the_plan_is_run_by_its_name(stage: Make) -> None:
    one = stage(
        {
            "ann": {"kind": "command", "command": ["python3", "-u", "count.py", "7"]},
            "bob": {"kind": "command", "command": ["go.sh"]},
        },
        files={"count.py": "import sys; print(sys.argv[1])", "go.sh": "#!/bin/sh\necho gone\n"},
    )
    assert one.run("ann") == 0
    assert one.run("bob") == 0
    assert (one.stdout("ann"), one.stdout("bob")) == ("7\n", "gone\n")


def test_exit_code_is_a_failed_attempt_and_output_is_kept(stage: Make) -> None:
    one = stage({"ann": shell('echo before; echo \'{"checkpoint": {"at": 5}}\' >&3; exit 7')})
    assert one.run("ann") == 1
    told = one.exit("ann")
    assert (told["reason"], told["exit_code"], told["task"]) == ("failed", 7, "ann")
    assert "exit code 7" in told["detail"]
    assert one.stdout("ann") == "before\n"
    assert one.history("ann").saves == {"ann#1": {"at": 5}}


def test_next_attempt_is_told_that_it_resumes_and_finds_what_was_saved(stage: Make) -> None:
    line = 'echo "$MAOS_RESUMED"; cat "$MAOS_CHECKPOINT" || { echo \'{"checkpoint": [1]}\' >&3; exit 1; }'
    one = stage({"ann": shell(line)})
    assert one.run("ann") == 1
    assert one.run("ann") == 0
    assert one.stdout("ann", 1) == "0\n"
    assert one.stdout("ann", 2) == "1\n[1]\n"
    outcome = one.history("ann").tasks["ann"]
    assert (outcome.phase, outcome.attempts, outcome.error) == (TaskPhase.DONE, 2, None)


def test_signal_is_a_failed_attempt(stage: Make) -> None:
    one = stage({"ann": shell("kill -9 $$")})
    assert one.run("ann") == 1
    assert one.exit("ann")["signal"] == 9
    assert "SIGKILL" in one.exit("ann")["detail"]


def test_timeout_ends_the_whole_tree_of_processes(stage: Make) -> None:
    line = "setsid sh -c 'trap \"\" TERM; env -i sleep 1001' & sleep 1002"
    one = stage({"ann": shell(line, limits={"timeout_s": 0.4, "stop_grace_s": 0.3})})
    assert one.run("ann") == 1
    assert one.exit("ann")["detail"] == "timed out after 0.4 s"
    assert not marked_pids(one.root)
    assert not running("sleep 1001", "sleep 1002")


@pytest.mark.linux("what has left its session and its environment is a child still")
def test_what_a_program_leaves_running_is_ended_when_it_is_done(stage: Make) -> None:
    one = stage({"ann": shell("setsid sleep 1003 & env -i setsid sleep 1004 & (sleep 1005 &) ; echo done")})
    assert one.run("ann") == 0
    assert one.stdout("ann") == "done\n"
    assert not running("sleep 1003", "sleep 1004", "sleep 1005")


def test_result_note_and_progress_are_known(stage: Make) -> None:
    control = [{"progress": 0.5, "note": "half"}, {"result": {"files": 3}}]
    one = stage({"ann": shell("".join(f"echo '{json.dumps(line)}' >&3; " for line in control))})
    assert one.run("ann") == 0
    told = one.status("ann")["tasks"]["ann"]
    assert (told["result"], told["progress"], told["exit_code"]) == ({"files": 3}, 0.5, 0)


def test_needed_results_are_found_in_a_file(stage: Make) -> None:
    one = stage(
        {"ann": shell("echo '{\"result\": 5}' >&3"), "bob": shell('cat "$MAOS_RESULTS"')},
        {"count": {"agent": "ann"}, "tell": {"agent": "bob", "needs": ["count"]}},
    )
    assert one.run("bob") == 0
    assert one.status("bob")["tasks"] == {}
    assert one.run("ann") == 0
    assert one.run("bob") == 0
    assert json.loads(one.stdout("bob", 2)) == {"count": 5}


def test_pause_ends_the_program_and_a_later_life_goes_on(stage: Make) -> None:
    line = 'echo "$MAOS_RESUMED" >> "$OUT/began"; [ -e "$OUT/go" ] || sleep 1006'
    one = stage({"ann": shell(line)})
    life = one.live("ann")
    one.wait_word("began")
    one.edit("orchestration.json", want="pause")
    assert life.wait() == 0
    assert one.exit("ann")["reason"] == "paused"
    assert one.status("ann")["phase"] == "paused"
    assert one.history("ann").tasks["ann"].phase is TaskPhase.INTERRUPTED
    assert one.run("ann") == 0
    assert one.exit("ann", 2)["reason"] == "paused"
    (one.outside / "go").touch()
    one.edit("orchestration.json", want="run")
    assert one.run("ann") == 0
    assert one.words("began") == ["0", "1"]
    assert one.history("ann").tasks["ann"].phase is TaskPhase.DONE


def test_frozen_program_is_held_in_memory_and_goes_on(stage: Make) -> None:
    line = 'for i in 1 2 3; do echo $i >> "$OUT/ticks"; while [ ! -e "$OUT/go$i" ]; do sleep 0.02; done; done'
    one = stage({"ann": shell(line, on_pause="freeze")})
    life = one.live("ann")
    one.wait_word("ticks")
    one.edit("agents/ann.json", want="pause")
    wait_for(lambda: one.status("ann").get("phase") == "paused", "it shows that it is paused")
    (one.outside / "go1").touch()
    (one.outside / "go2").touch()
    (one.outside / "go3").touch()
    time.sleep(0.3)
    assert one.words("ticks") == ["1"]
    one.edit("agents/ann.json", want="run")
    assert life.wait() == 0
    assert one.words("ticks") == ["1", "2", "3"]
    assert one.history("ann").tasks["ann"].attempts == 1


def test_cancelled_task_ends_and_the_next_one_is_begun(stage: Make) -> None:
    one = stage(
        {"ann": shell('echo "$MAOS_TASK_ID" >> "$OUT/began"; [ "$MAOS_TASK_ID" = two ] || sleep 1007')},
        {"one": {"agent": "ann"}, "two": {"agent": "ann", "needs": []}},
    )
    life = one.live("ann")
    one.wait_word("began")
    one.edit("tasks/one.json", want="cancel")
    assert life.wait() == 0
    phases = {task: outcome.phase for task, outcome in one.history("ann").tasks.items()}
    assert phases == {"one": TaskPhase.CANCELLED, "two": TaskPhase.DONE}
    assert one.exit("ann")["reason"] == "parked"


def test_higher_run_ends_the_lower_and_begins_anew(stage: Make) -> None:
    one = stage({"ann": shell('echo "$MAOS_RUN" >> "$OUT/began"; [ "$MAOS_RUN" = 2 ] || sleep 1008')})
    life = one.live("ann")
    one.wait_word("began")
    one.edit("tasks/ann.json", run=2)
    assert life.wait() == 0
    assert one.words("began") == ["1", "2"]
    outcome = one.history("ann").tasks["ann"]
    assert (outcome.run, outcome.phase, outcome.attempts) == (2, TaskPhase.DONE, 1)


def test_term_stops_gracefully_and_exit_0_after_it_is_not_done(stage: Make) -> None:
    line = 'trap "echo bye; exit 0" TERM; echo on > "$OUT/began"; sleep 1009 & wait'
    one = stage({"ann": shell(line)})
    life = one.live("ann")
    one.wait_word("began")
    life.signal(signal.SIGTERM)
    assert life.wait() == 0
    assert one.exit("ann")["reason"] == "stopped"
    assert one.stdout("ann") == "bye\n"
    assert one.history("ann").tasks["ann"].phase is TaskPhase.INTERRUPTED
    assert not running("sleep 1009")


def test_program_that_ignores_term_is_killed_after_the_grace(stage: Make) -> None:
    line = 'trap "" TERM; echo on > "$OUT/began"; while true; do sleep 1010; done'
    one = stage({"ann": shell(line, limits={"stop_grace_s": 0.3})})
    life = one.live("ann")
    one.wait_word("began")
    life.signal(signal.SIGTERM)
    assert life.wait(deadline_s=5) == 0
    assert not running("sleep 1010")


def test_two_lives_of_one_agent_do_not_meet(stage: Make) -> None:
    one = stage({"ann": shell('echo on > "$OUT/began"; sleep 1011')})
    first = one.live("ann")
    one.wait_word("began")
    assert one.run("ann") == 11
    assert first.is_running()
    assert "held by another process" in one.log()


def test_leftover_of_a_killed_agent_is_ended_by_its_successor(stage: Make) -> None:
    line = (
        '[ -e "$OUT/began" ] || { echo on > "$OUT/began"; env - MAOS_MARK="$MAOS_MARK" setsid sleep 1012; }'
    )
    one = stage({"ann": shell(line)})
    first = one.live("ann")
    one.wait_word("began")
    wait_for(lambda: running("sleep 1012"), "the grandchild runs")
    first.kill()
    assert running("sleep 1012")
    assert one.run("ann") == 0
    assert not running("sleep 1012")
    assert one.exit("ann", 1) | {"at": ""} == one.exit("ann", 1) | {
        "at": "",
        "reason": "lost",
        "by": "successor",
    }


@pytest.mark.parametrize("size", [0, 10, 200_000])
def test_long_task_text_comes_whole_by_stdin(stage: Make, size: int) -> None:
    one = stage(
        {"ann": shell('wc -c; printf %s "$MAOS_TASK" | wc -c')},
        {"t": {"agent": "ann", "description": "x" * size}},
    )
    assert one.run("ann") == 0
    counts = [int(word) for word in one.stdout("ann").split()]
    assert counts[0] == (size + 1 if size else 0)
    assert counts[1] == min(size, 30_000)


def running(*commands: str) -> list[int]:
    """The processes whose command line is one of these."""
    wanted = {command.replace(" ", "\0").encode() for command in commands}
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - names only
        if name.isdecimal():
            try:
                told = Path(f"/proc/{name}/cmdline").read_bytes().rstrip(b"\0")
            except OSError:
                continue
            if told in wanted:
                found.append(int(name))
    return found
