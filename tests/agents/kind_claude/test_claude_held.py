"""A call that waits for a person when work is to end: nobody answers it in the person's place."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from coding import DEADLINE_S, Coding, bash, steps
from stage import wait_for

from maos_sup.loopback.reply import say
from state_layout.records import TaskPhase

pytestmark = pytest.mark.timeout(300)
Make = Callable[..., Coding]


def test_pause_while_a_call_waits_for_approval_refuses_nothing(code: Make) -> None:
    one = code(steps(bash("echo x >> f"), say("done")), {"ann": {"approve": ["Bash"]}})
    life = one.stage.live("ann")
    [question] = wait_for(lambda: one.stage.status("ann").get("questions"), "?", deadline_s=DEADLINE_S)
    one.stage.edit("orchestration.json", want="pause")
    assert life.wait(deadline_s=DEADLINE_S) == 0, one.told()
    assert one.stage.exit("ann")["reason"] == "paused"
    assert len(one.bodies()) == 1  # the model heard of no refusal
    one.stage.edit("orchestration.json", want="run")
    (one.stage.tree.approvals / f"{question['id']}.yes").touch()
    assert one.run() == 0, one.told()
    outcome = one.stage.history("ann").tasks["ann"]
    assert (outcome.phase, outcome.result) == (TaskPhase.DONE, "done")
    assert "denied" not in one.texts() and "not run" not in one.texts()
