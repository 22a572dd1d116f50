"""A kill at any instant: steps, sends, receives once, output understood once, one process at a time."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

import pytest
from stage import Stage, operations, python, shell, wait_for

from maos_sup.agents.output import together, translate
from state_layout.files.journal import Reader
from state_layout.lives.attempts import recall
from state_layout.mail.operator_mail import append_operator_message
from state_layout.records import TaskPhase

Make = Callable[..., Stage]

WORK = """
import os
def word(name, text):
    fd = os.open(os.environ["OUT"] + "/" + name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{text}\\n".encode())
    os.close(fd)

def main(ctx):
    got = []
    for n in range(3):
        ctx.step("work", work, ctx, n)
        ctx.send("bob", f"outside {n}")
        got += [m.text for m in ctx.inbox(limit=1)]
        ctx.state["sum"] = ctx.state.get("sum", 0) + n
    got += ctx.step("rest", lambda: [m.text for m in ctx.inbox()])
    ctx.discover("done it")
    return [got, ctx.state["sum"], ctx.state["count"]]

def work(ctx, n):
    word("calls", n)
    ctx.send("bob", f"first {n}")
    ctx.state["count"] = ctx.state.get("count", 0) + 1
    ctx.send("bob", f"second {n}")
    return n
"""
SENT = [text for n in range(3) for text in (f"first {n}", f"second {n}", f"outside {n}")]
RECEIVED = [f"m{n}" for n in range(5)]


def callable_stage(stage: Make) -> Stage:
    one = stage({"ann": python(), "bob": shell("true")}, {"t": {"agent": "ann"}}, files={"work.py": WORK})
    for text in RECEIVED:
        append_operator_message(one.tree, "ann", text=text)
    return one


def recorded_steps(one: Stage) -> set[str]:
    history = recall(one.tree, "ann").history
    return set(history.steps.get("t#1", {}))


def assert_callable_did_all_once(one: Stage, *, kills: int) -> None:
    outcome = one.history("ann").tasks["t"]
    assert outcome.phase is TaskPhase.DONE, (outcome, one.log())
    assert outcome.result == [RECEIVED, 3, 3]
    assert [mail["text"] for mail in one.mail("bob", "ann")] == SENT
    assert [mail["seq"] for mail in one.mail("bob", "ann")] == sorted(
        mail["seq"] for mail in one.mail("bob", "ann")
    )
    assert [mail["text"] for mail in one.mail("all", "ann")] == ["done it"]
    assert len(one.words("calls")) <= 3 + kills
    assert sorted(set(one.words("calls"))) == ["0", "1", "2"]
    assert one.status("ann")["tasks"]["t"]["phase"] == "done"
    assert one.problems() == []


def test_callable_killed_at_each_disk_operation_does_all_once(stage: Make) -> None:
    for operation in operations():
        one = callable_stage(stage)
        came_so_far = one.die_at("ann", operation)
        before = recorded_steps(one)
        calls_before = len(one.words("calls"))
        assert one.run("ann") == 0, (operation, one.log())
        done = {"work", "work#2", "work#3"} & before
        assert len(one.words("calls")) - calls_before <= 3 - len(done), (
            f"operation {operation}: a done step was called"
        )
        assert_callable_did_all_once(one, kills=1)
        if not came_so_far:
            break
    assert operation > 40


def test_callable_killed_again_and_again_gets_there(stage: Make) -> None:
    one = callable_stage(stage)
    kills = 0
    while one.die_at("ann", 45 + kills % 23):
        kills += 1
        assert kills < 200
    assert kills > 2
    assert_callable_did_all_once(one, kills=kills)


PROGRAM = r"""
n=0; [ -s "$MAOS_CHECKPOINT" ] && n=$(cat "$MAOS_CHECKPOINT")
while [ $n -lt 6 ]; do
  n=$((n + 1))
  printf '{"send":{"to":"bob","text":"%s.%s"}}\n' "$MAOS_ATTEMPT" $n >&3
  echo "found: $MAOS_ATTEMPT.$n"
  printf '{"checkpoint":%s}\n' $n >&3
  echo "$MAOS_ATTEMPT.$n" >> "$OUT/ledger"
  sleep 0.01
done
"""


def assert_program_was_understood_once(one: Stage) -> None:
    """Whatever stands in the files of all attempts was translated once, in order."""
    sent: list[str] = []
    found: list[str] = []
    for folder in sorted(one.tree.agent("ann").attempts.iterdir()):
        for name, texts, mark in (("control.jsonl", sent, '"text":"'), ("stdout.log", found, "found: ")):
            path = folder / name
            lines = path.read_text().splitlines() if path.exists() else []
            texts += [line.split(mark)[1].split('"')[0] for line in lines if mark in line]
    assert [mail["text"] for mail in one.mail("bob", "ann")] == sent
    assert [mail["text"] for mail in one.mail("all", "ann")] == found
    assert one.words("ledger") == found
    assert sorted({int(text.split(".")[1]) for text in sent}) == [1, 2, 3, 4, 5, 6]
    assert one.history("ann").tasks["ann"].phase is TaskPhase.DONE
    assert one.problems() == []


def program_stage(stage: Make) -> Stage:
    return stage({"ann": shell(PROGRAM), "bob": shell("true")}, {"ann": {"agent": "ann"}})


def test_agent_killed_at_each_disk_operation_understands_its_program_once(stage: Make) -> None:
    for operation in operations():
        one = program_stage(stage)
        came_so_far = one.die_at("ann", operation)
        assert one.run("ann") == 0, (operation, one.log())
        assert_program_was_understood_once(one)
        if not came_so_far:
            break
    assert operation > 30


BURST = r"""
echo "$MAOS_ATTEMPT" >> "$OUT/runs"
seq -f '{"send":{"to":"bob","text":"'$MAOS_ATTEMPT'.%.0f"}}' LINES >&3
seq -f "found: $MAOS_ATTEMPT.%.0f" LINES
"""


def burst_stage(stage: Make, lines: int) -> Stage:
    program = shell(BURST.replace("LINES", str(lines)))
    return stage({"ann": program, "bob": shell("true")}, {"ann": {"agent": "ann"}})


def assert_burst_was_understood_once(one: Stage, lines: int) -> None:
    texts = [f"{attempt}.{n}" for attempt in one.words("runs") for n in range(1, lines + 1)]
    assert [mail["text"] for mail in one.mail("bob", "ann")] == texts
    assert [mail["text"] for mail in one.mail("all", "ann")] == texts
    assert one.history("ann").tasks["ann"].phase is TaskPhase.DONE
    assert one.problems() == []


def test_agent_killed_at_each_disk_operation_understands_a_burst_once(
    stage: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "MOST_MESSAGES", 4)  # so that there are several records in one look
    for operation in operations():
        one = burst_stage(stage, 10)
        came_so_far = one.die_at("ann", operation)
        one.die_at("ann", 3 + operation % 37)  # and its successor
        assert one.run("ann") == 0, (operation, one.log())
        assert_burst_was_understood_once(one, 10)
        if not came_so_far:
            break
    assert operation > 30


@pytest.mark.parametrize("after", [1, 2, 3, 5, 9, 40])
def test_a_program_that_had_ended_is_not_run_again_for_its_unread_output(
    stage: Make, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = 1000
    one = burst_stage(stage, lines)
    monkeypatch.setattr(translate, "LOOK_S", 0.0)  # a line at a time: there is always something left
    seen = 0

    def tap(operation: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        is_told = operation == "write" and b'"type":"ended"' in bytes(arguments[1])  # type: ignore[call-overload]
        if seen or is_told:
            seen += 1
        if seen > after + 1:  # the sync that follows the line has been
            os.kill(os.getpid(), signal.SIGKILL)

    assert one.live("ann", tap=tap).wait(deadline_s=120) == -signal.SIGKILL
    monkeypatch.undo()
    assert one.lines("ann", "ended")
    assert len(one.mail("all", "ann")) < lines, "all of it was read before the end was told"
    assert one.run("ann", deadline_s=120) == 0, one.log()
    assert one.words("runs") == ["1"]
    assert_burst_was_understood_once(one, lines)


def test_a_stop_in_the_middle_of_reading_leaves_the_rest_to_the_next_life(
    stage: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = 4000
    one = burst_stage(stage, lines)
    monkeypatch.setattr(translate, "LOOK_S", 0.0)  # a line at a time: there is always something left
    life = one.live("ann")
    wait_for(lambda: one.lines("ann", "ended"), "the program ended", deadline_s=60)
    life.signal(signal.SIGTERM)
    assert life.wait(deadline_s=60) == 0
    assert one.exit("ann")["reason"] == "stopped"
    assert len(one.mail("all", "ann")) < lines, "it was stopped too late to see anything"
    monkeypatch.undo()
    assert one.run("ann", deadline_s=100) == 0
    assert one.words("runs") == ["1"]
    assert_burst_was_understood_once(one, lines)


@pytest.mark.parametrize("seed", range(4))
def test_agent_killed_at_random_instants_understands_its_program_once(stage: Make, seed: int) -> None:
    chance = random.Random(seed)
    one = program_stage(stage)
    for _ in range(12):
        life = one.live("ann")
        time.sleep(chance.uniform(0.0, 0.12))
        life.kill()
    assert one.run("ann") == 0, one.log()
    assert_program_was_understood_once(one)


def test_kill_after_a_crash_of_the_successor_still_ends_the_first_program(stage: Make) -> None:
    one = stage({"ann": shell('[ -e "$OUT/began" ] && exit 0; echo on > "$OUT/began"; setsid sleep 1051')})
    first = one.live("ann")
    one.wait_word("began")
    first.kill()
    operation = 0
    while one.die_at("ann", (operation := operation + 1)) and operation < 4:
        pass
    assert one.run("ann") == 0
    assert one.exit("ann", 1)["reason"] == "lost"


def test_attempts_never_overlap(stage: Make) -> None:
    """Each program says when it begins and ends; a successor begins after its predecessor's was ended."""
    line = """
        before=$(cat "$OUT/pid" 2>/dev/null || echo none)
        grep -q 'State:.[RSDT]' "/proc/$before/status" 2>/dev/null && echo overlap >> "$OUT/log"
        echo $$ > "$OUT/pid"; echo "$$ begins" >> "$OUT/log"; sleep 5
    """
    one = stage({"ann": shell(line)})
    for _ in range(8):
        life = one.live("ann")
        began = len(one.words("log"))
        wait_for(lambda: len(one.words("log")) > began or not life.is_running(), "it begins", deadline_s=5)  # noqa: B023
        life.kill()
    assert "overlap" not in one.words("log")


def test_half_begun_attempts_are_passed_over(stage: Make) -> None:
    one = program_stage(stage)
    for operation in range(1, 16):
        one.die_at("ann", operation)
    assert one.run("ann") == 0
    numbers = sorted(int(path.name) for path in one.tree.agent("ann").attempts.iterdir())
    assert numbers == list(range(1, len(numbers) + 1))
    assert_program_was_understood_once(one)


def test_memory_of_a_life_is_what_its_successor_recalls(stage: Make) -> None:
    one = callable_stage(stage)
    assert one.run("ann") == 0
    lines = Reader(one.tree.agent("ann").attempt(1).journal).read()
    for checkpoint in one.tree.agent("ann").attempts.glob("*/checkpoint.*"):
        checkpoint.unlink()
    folded = recall(one.tree, "ann").history
    assert folded.seq == lines[-1].seq
    assert folded.state == {"sum": 3, "count": 3}
    assert one.status("ann")["seq"] == folded.seq


def test_sigkill_during_a_life_in_its_own_interpreter(stage: Make) -> None:
    """As the launcher starts it where fork is unsafe: nothing is shared with a test runner."""
    import subprocess
    import sys

    one = callable_stage(stage)
    argv = [sys.executable, "-m", "maos_sup.agents.runner", str(one.root), "ann"]
    for delay_s in (0.1, 0.2, 0.3):
        process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert subprocess.run(argv, check=False).returncode == 0
    assert_callable_did_all_once(one, kills=3)
