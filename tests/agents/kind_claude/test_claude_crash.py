"""Claude Code and its agent are killed at any instant: nothing is bought twice, run twice or told twice."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from coding import DEADLINE_S, Coding, bash, steps
from processes import children_of, is_running, kill
from stage import Stage, kill_marked, marked_pids, wait_for

from maos_sup.loopback.reply import ReplyPace, ScriptedReply, say
from maos_sup.loopback.request import LoopbackRequest
from state_layout.files import codec
from state_layout.host.identity import read_handle
from state_layout.mail.operator_mail import append_operator_message
from state_layout.records import TaskPhase

Make = Callable[..., Coding]
IS_LONG = "MAOS_SUP_TORTURE_ROUNDS" in os.environ
SEEDS = range(int(os.environ["MAOS_SUP_TORTURE_ROUNDS"])) if IS_LONG else (6, 7)  # all kinds of kills in two
pytestmark = pytest.mark.timeout(0 if IS_LONG else 300)
STEPS = 4
KILLS = 3  # in a round, at most
PACE = ReplyPace(chunk_chars=12, chunk_delay_s=0.01)


def done_steps(request: LoopbackRequest) -> int:
    """Count the steps that the model was told of, done or begun with an unknown outcome."""
    return len(set(re.findall(r"step-(\d)-(?:done|begun)", results_in(request))))


def results_in(request: LoopbackRequest) -> str:
    """The results and notes that the model has seen: the calls themselves do not count."""
    texts = []
    for message in request.messages:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in blocks:
            if block.get("type") == "tool_result":
                texts.append(str(block.get("content")))
            elif block.get("type") == "text" and message["role"] != "assistant":
                texts.append(block["text"].replace("echo step-", "step-").replace("; sleep", "-begun; sleep"))
    return "\n".join(texts)


def worker(request: LoopbackRequest) -> ScriptedReply:
    """A model that does one step after the other, and never one that it knows to have begun."""
    step = done_steps(request)
    if step >= STEPS:
        return ScriptedReply(content=({"type": "text", "text": "All steps are done."},), pace=PACE)
    command = f"echo step-{step}; sleep 0.1; echo {step} >> $OUT/ran; echo step-{step}-done"
    use = {"type": "tool_use", "name": "Bash", "input": {"command": command, "description": f"step {step}"}}
    return ScriptedReply(content=({"type": "text", "text": f"Now step {step}."}, use), pace=PACE)


def transcript_records(tree: Any) -> list[dict[str, Any]]:
    """The whole records in the transcript of agent ann."""
    found = []
    for path in (tree.agent("ann").session / "projects").glob("*/*.jsonl"):
        for line in path.read_bytes().split(b"\n"):
            try:
                found.append(codec.decode(line))
            except codec.NotJson:
                continue
    return [record for record in found if isinstance(record, dict)]


def recorded_answers(tree: Any) -> set[str]:
    """The ids of the model's answers that the transcript has."""
    messages = [record["message"] for record in transcript_records(tree) if record.get("type") == "assistant"]
    return {message["id"] for message in messages if message.get("model") != "<synthetic>"}


def is_done(one: Coding) -> bool:
    outcome = one.stage.history("ann").tasks.get("ann")
    return outcome is not None and outcome.phase is TaskPhase.DONE


def kill_agent(one: Coding, life: Any) -> None:
    """SIGKILL to the agent: Claude Code dies with it, and its successor ends what that left."""
    handle = read_handle(one.stage.tree.handle("ann"))
    if life.is_running():
        life.kill()
    program = None if handle is None else handle.program_pid
    wait_for(lambda: program is None or not is_running(program), "its end", deadline_s=DEADLINE_S)


def kill_program(one: Coding, life: Any) -> None:
    """SIGKILL to Claude Code alone: its agent says so and ends."""
    handle = read_handle(one.stage.tree.handle("ann"))
    if life.is_running() and handle is not None and handle.program_pid is not None:
        kill(handle.program_pid)
        life.wait(deadline_s=DEADLINE_S)
    kill_agent(one, life)


def kill_everything(one: Coding, life: Any) -> None:
    """SIGKILL to the agent and all that wears the tree's mark, Claude Code and its commands among it."""
    life.kill() if life.is_running() else None
    wait_for(lambda: not kill_marked([one.stage.root]), "all is dead", deadline_s=DEADLINE_S)


KILLS_OF: tuple[Callable[[Coding, Any], None], ...] = (kill_agent, kill_program, kill_everything)


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_at_random_instants(code: Make, seed: int) -> None:
    chance = random.Random(seed)
    one = code(worker)
    sent = kills = 0
    for _ in range(KILLS):
        append_operator_message(one.stage.tree, "ann", text=f"letter {sent} of the operator")
        sent += 1
        asked = len(one.bodies())
        life = one.stage.live("ann")
        if chance.random() < 0.8:  # else while it starts
            wait_for(
                lambda asked=asked, life=life: len(one.bodies()) > asked or not life.is_running(),
                "a question",
                deadline_s=DEADLINE_S,
            )
        end_s = time.monotonic() + chance.uniform(0.0, 2.0)
        wait_for(lambda end_s=end_s, life=life: time.monotonic() >= end_s or not life.is_running(), "it")
        KILLS_OF[chance.randrange(3)](one, life)
        kills += 1
        if is_done(one):
            break
    if not is_done(one):
        assert one.run() == 0, one.told()
    assert_once(one, sent, kills)


def assert_once(one: Coding, sent: int, kills: int) -> None:
    outcome = one.stage.history("ann").tasks["ann"]
    assert (outcome.phase, outcome.result) == (TaskPhase.DONE, "All steps are done."), one.told()
    # no tool ran twice
    assert max(Counter(one.stage.words("ran")).values(), default=1) == 1, one.told()
    # every message was seen exactly once in the conversation that is there in the end
    text = one.texts()
    assert [text.count(f"letter {number} of the operator") for number in range(sent)] == [1] * sent, (
        one.told()
    )
    assert text.count("<task id=") == 1, one.told()
    assert done_steps(one.server.numbered(one.bodies()[-1], {})) == STEPS, one.told()
    # what was answered on record was not asked again: each kill loses one answer at most
    assert len(one.bodies()) <= len(recorded_answers(one.stage.tree)) + kills, one.told()


def test_running_command_is_told_as_unknown_and_not_run_again(code: Make) -> None:
    def script(request: LoopbackRequest) -> ScriptedReply:
        return say("I look.") if "outcome unknown" in request.last_user else plan(request)

    plan = steps(bash("echo begun >> $OUT/f; sleep 60; echo late >> $OUT/f"), say("no"))
    one = code(script)
    life = one.stage.live("ann")
    wait_for(lambda: one.stage.words("f"), "the command", deadline_s=DEADLINE_S)
    life.kill()
    assert one.run() == 0, one.told()
    assert one.stage.history("ann").tasks["ann"].result == "I look."
    assert "name=\\'Bash\\'" in one.texts() or 'name="Bash"' in one.texts()
    assert one.stage.words("f") == ["begun"]
    assert not [pid for pid in marked_pids(one.stage.root) if is_running(pid)]


def test_call_whose_process_died_before_it_might_run_is_not_told_of(code: Make) -> None:
    """Claude Code asks whether it may run a tool and dies while its agent, held up, has not heard it yet."""
    held = threading.Event()

    def script(request: LoopbackRequest) -> ScriptedReply:
        if request.number == 1:
            life.signal(signal.SIGSTOP)
            held.set()
        return say("done") if one.stage.words("ran") else bash("echo once >> $OUT/ran")

    one = code(script)
    life = one.stage.live("ann")
    wait_for(held.is_set, "the question", deadline_s=DEADLINE_S)
    events = one.stage.tree.agent("ann").attempt(1).events
    wait_for(lambda: b'"PreToolUse"' in events.read_bytes(), "it asks", deadline_s=DEADLINE_S)
    [program] = children_of(life.pid)
    kill(program)
    life.signal(signal.SIGCONT)
    assert life.wait(deadline_s=DEADLINE_S) != 0
    assert one.all_lines("ann", "tool_call") == []
    assert one.run() == 0, one.told()
    assert one.stage.words("ran") == ["once"]
    assert "outcome unknown" not in one.texts()


def test_without_its_agent_it_neither_runs_a_tool_nor_asks_the_model(code: Make) -> None:
    """The agent dies before it answers whether a tool may run that Claude Code's own rules would allow."""
    held = threading.Event()

    def script(request: LoopbackRequest) -> ScriptedReply:
        if request.number == 1:
            life.signal(signal.SIGSTOP)
            held.set()
        return say("done") if one.stage.words("ran") else bash("echo once >> $OUT/ran")

    one = code(script, {"ann": {"allowed_tools": ["Bash"]}})
    life = one.stage.live("ann")
    wait_for(held.is_set, "the question", deadline_s=DEADLINE_S)
    events = one.stage.tree.agent("ann").attempt(1).events
    wait_for(lambda: b'"PreToolUse"' in events.read_bytes(), "it asks", deadline_s=DEADLINE_S)
    life.kill()
    wait_for(lambda: not marked_pids(one.stage.root), "its end", deadline_s=DEADLINE_S)
    assert (one.stage.words("ran"), len(one.bodies())) == ([], 1)
    assert one.run() == 0, one.told()
    assert one.stage.words("ran") == ["once"]
    assert len(one.all_lines("ann", "tool_call")) == 1


def test_session_goes_on_from_its_newest_record_whatever_it_points_to(code: Make) -> None:
    """A dying Claude Code points to a call without result, which would take the session back to before it."""

    def script(request: LoopbackRequest) -> ScriptedReply:
        known = request.all_text.count("outcome unknown")
        return say("I look.") if known > 1 else bash(f"echo {known} >> $OUT/ran; sleep 60")

    one = code(script)
    for step in range(2):
        life = one.stage.live("ann")
        wait_for(lambda step=step: len(one.stage.words("ran")) > step, "a step", deadline_s=DEADLINE_S)
        kill_everything(one, life)
        [path] = one.stage.tree.agent("ann").session.glob("projects/*/*.jsonl")
        calls = [record for record in transcript_records(one.stage.tree) if "tool_use" in str(record)]
        pointer = {"type": "last-prompt", "leafUuid": calls[0]["uuid"], "sessionId": path.stem}
        with path.open("ab") as file:
            file.write(codec.encode(pointer) + b"\n")
    assert one.run() == 0, one.told()
    assert one.stage.history("ann").tasks["ann"].result == "I look."
    assert one.stage.words("ran") == ["0", "1"]


def copy_if_there(source: str, target: str) -> None:
    """Copy a file, unless it is a temporary one that is gone by now."""
    with suppress(FileNotFoundError):
        shutil.copy2(source, target)


def test_session_goes_on_in_a_copy_of_the_tree(code: Make, tmp_path: Path) -> None:
    one = code(worker)
    append_operator_message(one.stage.tree, "ann", text="letter 0 of the operator")
    life = one.stage.live("ann")
    wait_for(lambda: len(one.stage.words("ran")) >= 2, "two steps", deadline_s=DEADLINE_S)
    shutil.copytree(one.stage.root, tmp_path / "elsewhere", copy_function=copy_if_there)
    kill_everything(one, life)
    copy = object.__new__(Stage)
    copy.__dict__.update(one.stage.__dict__)
    copy.tree = type(one.stage.tree)(tmp_path / "elsewhere")
    copy.root, copy.lives = copy.tree.root, []
    shutil.rmtree(copy.tree.run)
    copy.pretend_supervised()
    one.stage = copy
    known = recorded_answers(copy.tree)
    assert one.run() == 0, one.told()
    assert known <= recorded_answers(copy.tree) and len(known) >= 2
    assert copy.history("ann").tasks["ann"].result == "All steps are done."
    assert one.texts().count("letter 0 of the operator") == 1
    assert done_steps(one.server.numbered(one.bodies()[-1], {})) == STEPS


def test_killed_before_an_operation_of_the_disk(code: Make) -> None:
    """Lives that die before their n-th write or sync, n growing until one lives long enough to be done."""
    one = code(worker)
    append_operator_message(one.stage.tree, "ann", text="letter 0 of the operator")
    kills, operation = 0, 8
    while not is_done(one) and one.stage.die_at("ann", operation, deadline_s=DEADLINE_S):
        kills += 1
        operation += 2 if IS_LONG else 97
    assert kills > 1
    assert_once(one, 1, kills)
