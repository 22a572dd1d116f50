"""The bus in the hands of the real Claude Code: its ids, its waits, mail that is told once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest
from coding import DEADLINE_S, Coding, steps
from orchestra import wait_for

from maos_sup.loopback.reply import ScriptedReply, say
from maos_sup.loopback.reply import call as tool
from maos_sup.loopback.request import LoopbackRequest
from state_layout.mail.operator_mail import append_operator_message

pytestmark = pytest.mark.timeout(300)
Make = Callable[..., Coding]


def test_a_question_is_asked_once_and_its_answer_reaches_the_model(code: Make) -> None:
    one = code(steps(tool("mcp__maos__ask_human", {"question": "May I?"}), say("asked")))

    def answer() -> None:
        status = one.stage.tree.agent("ann").status
        asked = wait_for(
            lambda: status.exists() and json.loads(status.read_text())["questions"],
            "the question",
            deadline_s=DEADLINE_S,
        )
        (one.stage.tree.approvals / f"{asked[0]['id']}.yes").write_text("gently")

    person = threading.Thread(target=answer)
    person.start()
    assert one.run() == 0, one.told()
    person.join()
    assert "yes: gently" in one.texts()
    calls = one.all_lines("ann", "called")
    assert [(call["name"], call["id"][:6]) for call in calls] == [("ask_human", "toolu_")]
    assert len(one.all_lines("ann", "asked")) == 1


def test_a_message_that_is_waited_for_is_told_once(code: Make) -> None:
    one: Coding

    def script(request: LoopbackRequest) -> ScriptedReply:
        if request.turn == 0:
            append_operator_message(one.stage.tree, "ann", text="the news")
            return tool("mcp__maos__read_messages", {"wait_s": 30})
        return say("read")

    one = code(script)
    assert one.run() == 0, one.told()
    assert one.texts().count("the news") == 1
    assert one.stage.history("ann").received == 1
