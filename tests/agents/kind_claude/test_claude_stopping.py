"""Claude Code is brought to a stop between two steps: what was asked for and not begun is not begun."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from coding import DEADLINE_S, Coding, bash
from stage import wait_for

from maos_sup.loopback.reply import ScriptedReply, say
from maos_sup.loopback.request import LoopbackRequest

pytestmark = pytest.mark.timeout(300)
Make = Callable[..., Coding]


def test_second_call_of_an_answer_is_not_begun_after_a_pause(code: Make) -> None:
    """Although Claude Code's own rules would allow it."""
    first = bash("touch $OUT/begun; until [ -e $OUT/go ]; do sleep 0.05; done")
    second = bash("echo second >> $OUT/ran")

    def script(request: LoopbackRequest) -> ScriptedReply:
        if request.number == 1:
            return ScriptedReply(content=(*first.content, second.content[-1]))
        return say("done") if one.stage.words("ran") else second

    one = code(script, {"ann": {"allowed_tools": ["Bash"]}})
    life = one.stage.live("ann")
    wait_for(lambda: (one.stage.outside / "begun").exists(), "the step", deadline_s=DEADLINE_S)
    one.stage.edit("agents/ann.json", want="pause")
    (one.stage.outside / "go").touch()
    assert life.wait(deadline_s=DEADLINE_S) == 0, one.told()
    assert one.stage.exit("ann")["reason"] == "paused"
    assert (one.stage.words("ran"), len(one.all_lines("ann", "tool_call"))) == ([], 1), one.told()
    one.stage.edit("agents/ann.json", want="run")
    assert one.run() == 0, one.told()
    assert one.stage.words("ran") == ["second"]
    assert len(one.all_lines("ann", "tool_call")) == 2


def test_command_that_a_stop_ends_is_told_as_interrupted(code: Make) -> None:
    """Claude Code itself would tell its model of a command that ended with the exit code of a KILL."""
    waits = "trap 'touch $OUT/asked_to_end; exit 1' TERM; touch $OUT/begun; while :; do sleep 0.05; done"

    def script(request: LoopbackRequest) -> ScriptedReply:
        return bash(waits) if request.number == 1 else say("done")

    one = code(script, {"ann": {"allowed_tools": ["Bash"]}})
    life = one.stage.live("ann")
    wait_for(lambda: (one.stage.outside / "begun").exists(), "the step", deadline_s=DEADLINE_S)
    one.stage.edit("agents/ann.json", want="stop")
    assert life.wait(deadline_s=DEADLINE_S) == 0, one.told()
    assert (one.stage.outside / "asked_to_end").exists(), one.told()
    one.stage.edit("agents/ann.json", want="run")
    assert one.run() == 0, one.told()
    assert "outcome is unknown" in one.texts() or "outcome unknown" in one.texts()
    assert "Exit code" not in one.texts()
