"""Hooks of the project's that refuse: what they say is why the task failed; what they only end is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from coding import Coding, bash, steps

from maos_sup.loopback.reply import say
from state_layout.records import TaskPhase

pytestmark = pytest.mark.timeout(300)
Make = Callable[..., Coding]
STOPS = """echo '{"continue":false,"stopReason":"words of the hook"}'"""


def with_hook(tmp_path: Path, event: str, command: str) -> str:
    folder = tmp_path / "project"
    (folder / ".claude").mkdir(parents=True)
    hooks = {event: [{"hooks": [{"type": "command", "command": command}]}]}
    (folder / ".claude" / "settings.json").write_text(json.dumps({"hooks": hooks}))
    return "../../project"


@pytest.mark.parametrize(
    "command",
    [
        "echo words of the hook >&2; exit 2",
        """echo '{"decision":"block","reason":"words of the hook"}'""",
        STOPS,
    ],
    ids=["exit", "block", "stop"],
)
def test_prompt_that_a_hook_refuses_fails_the_task_with_its_words(
    code: Make, tmp_path: Path, command: str
) -> None:
    one = code(steps(say("never")), project=with_hook(tmp_path, "UserPromptSubmit", command))
    assert one.run() == 0, one.told()
    outcome = one.stage.history("ann").tasks["ann"]
    assert outcome.phase is TaskPhase.FAILED and one.bodies() == []
    assert "words of the hook" in str(outcome.error) and "<task" not in str(outcome.error)


@pytest.mark.parametrize(
    ("event", "command"),
    [
        ("PreToolUse", STOPS),
        ("PostToolUse", STOPS),
        ("PostToolBatch", "echo words of the hook >&2; exit 2"),
    ],
)
def test_hook_that_stops_the_turn_fails_the_task_with_its_words(
    code: Make, tmp_path: Path, event: str, command: str
) -> None:
    one = code(steps(bash("true"), say("never")), project=with_hook(tmp_path, event, command))
    assert one.run() == 0, one.told()
    outcome = one.stage.history("ann").tasks["ann"]
    assert outcome.phase is TaskPhase.FAILED and len(one.bodies()) == 1
    assert "words of the hook" in str(outcome.error)


@pytest.mark.parametrize("command", [STOPS, "echo go on >&2; exit 2"], ids=["stop", "again and again"])
def test_end_of_the_turn_is_the_end_whatever_a_stop_hook_says(
    code: Make, tmp_path: Path, command: str
) -> None:
    one = code(steps(say("the answer")), project=with_hook(tmp_path, "Stop", command))
    assert one.run() == 0, one.told()
    outcome = one.stage.history("ann").tasks["ann"]
    assert (outcome.phase, outcome.result) == (TaskPhase.DONE, "the answer"), one.told()


def test_tool_that_a_hook_refuses_is_told_to_the_model(code: Make, tmp_path: Path) -> None:
    command = "echo words of the hook >&2; exit 2"
    one = code(steps(bash("touch f"), say("so be it")), project=with_hook(tmp_path, "PreToolUse", command))
    assert one.run() == 0, one.told()
    assert one.stage.history("ann").tasks["ann"].result == "so be it"
    assert "words of the hook" in one.texts()
