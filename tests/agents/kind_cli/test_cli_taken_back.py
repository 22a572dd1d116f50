"""A team is taken back: a command line that cannot go back begins a session, told what is on record."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from stage import Stage, wait_for
from test_cli import chatter, lines_of

from maos_sup.cuts.going_back import preview_rollback
from maos_sup.cuts.take import take_cut
from maos_sup.supervisor.rewinding import rewind
from state_layout.mail.operator_mail import append_operator_message
from state_layout.records import TaskPhase


def test_new_session_is_told_what_counts_and_nothing_of_what_was_taken_back(
    stage: Callable[..., Stage],
) -> None:
    one = stage({"ann": chatter(env={"CHATTER_PAUSE_S": "0.3"})})
    append_operator_message(one.tree, "ann", text="mind the gap")
    life = one.live("ann")
    wait_for(lambda: lines_of(one, "turn"), "an answer")
    append_operator_message(one.tree, "ann", text="mind the step")
    wait_for(lambda: len(lines_of(one, "process")) == 2, "a process that is told the second message")
    cut = take_cut(one.tree, by="operator", why="a test")
    assert life.wait() == 0, one.log()
    preview = preview_rollback(one.tree, cut)
    assert "a new one begins" in preview.losses["ann"].outside[0]
    back = take_cut(one.tree, by="rollback", why="before")
    rewind(one.tree, replace(preview.plan, back=back.number), by="operator", why="a test")
    one.pretend_supervised()
    assert one.run("ann") == 0, one.log()
    assert one.history("ann").tasks["ann"].phase is TaskPhase.DONE
    sessions = [json.loads(path.read_text()) for path in one.tree.agent("ann").session.glob("home/*.json")]
    assert len(sessions) == 2
    [prompt] = [told["told"][0] for told in sessions if "<record>" in told["told"][0]]
    assert "Now step 1." in prompt and "Do ann" in prompt
    assert [prompt.count(text) for text in ("mind the gap", "mind the step")] == [1, 1]
    warnings = [line["text"] for line in lines_of(one, "warning")]
    assert len([text for text in warnings if "taken back" in text]) == 1
