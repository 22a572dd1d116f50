"""The real Claude Code works on its task: tools, messages, the team's tools, approvals, limits."""

from __future__ import annotations

from collections.abc import Callable

from coding import Coding

from maos_sup.loopback.reply import Reply, call, say
from maos_sup.loopback.request import Request
from state_layout.records import TaskPhase

Make = Callable[..., Coding]


def bash(command: str) -> Reply:
    return call("Bash", {"command": command, "description": "a step"}, text="I run it.")


def steps(*replies: Reply) -> Callable[[Request], Reply]:
    """Replies by the place in the conversation, the last one repeated."""
    return lambda request: replies[min(request.turn, len(replies) - 1)]


def test_end_of_turn_is_the_end_of_the_task_and_its_text_the_result(code: Make) -> None:
    one = code(steps(bash("echo made > f; cat f"), say("It is 42.\n\ndiscovery: the answer")))
    assert one.run() == 0, one.stage.log()
    outcome = one.stage.history("ann").tasks["ann"]
    assert (outcome.phase, outcome.result) == (TaskPhase.DONE, "It is 42.\n\ndiscovery: the answer")
    assert (one.stage.tree.agent("ann").workspace / "f").read_text() == "made\n"
    turns, calls, results = (one.all_lines("ann", kind) for kind in ("turn", "tool_call", "tool_result"))
    assert (turns[0]["text"], len(turns)) == ("I run it.", 2)
    assert (calls[0]["name"], results[0]["content"]) == ("Bash", "made")
    history = one.stage.history("ann")
    assert history.cost_usd > 0 and history.last_discovery == "the answer"
    assert [mail["text"] for mail in one.stage.mail("all", "ann")] == ["the answer"]
    assert "It is 42." in one.stage.stdout("ann")
