"""Claude Code without a login."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from coding import Coding

from maos_sup.loopback.reply import say
from state_layout.records import TaskPhase

pytestmark = pytest.mark.timeout(300)
Make = Callable[..., Coding]


def test_without_a_login_the_task_fails_at_once_and_says_how_to_get_one(
    code: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    one = code(lambda _: say("never"))
    assert one.run() == 0, one.told()
    outcome = one.stage.history("ann").tasks["ann"]
    assert outcome.phase is TaskPhase.FAILED
    assert "CLAUDE_CODE_OAUTH_TOKEN" in str(outcome.error)
    assert one.bodies() == []
