"""A team is taken back and forward again: the real Claude Code goes on from the last answer that counts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from coding import Coding, bash

from maos_sup.cuts import store
from maos_sup.cuts.forking import fork
from maos_sup.cuts.going_back import preview_rollback
from maos_sup.cuts.record import TeamCut
from maos_sup.cuts.take import take_cut
from maos_sup.loopback.reply import ScriptedReply, say
from maos_sup.loopback.request import LoopbackRequest
from maos_sup.supervisor.rewinding import rewind
from state_layout.ledger import spent_by
from state_layout.mail.operator_mail import append_operator_message

pytestmark = pytest.mark.timeout(300)
Make = Callable[..., Coding]


def go(one: Coding, cut: TeamCut) -> TeamCut:
    """Take the team to `cut`; the cut of what was before."""
    tree = one.stage.tree
    back = take_cut(tree, by="rollback", why="before")
    rewind(tree, replace(preview_rollback(tree, cut).plan, back=back.number), by="operator", why="a test")
    one.stage.pretend_supervised()
    return back


def go_to_fork(one: Coding, cut: TeamCut) -> None:
    """Have the stage be a fork of what it was, at `cut`."""
    stage = one.stage
    stage.tree = fork(
        stage.tree, cut, stage.folder / "fork", id_="fork", change=lambda spec: spec, memory=None
    )
    stage.root = stage.tree.root
    stage.pretend_supervised()


class Story:
    """Replies that name the question they answer; a cut is taken when question `cut_at` comes."""

    def __init__(self, *, cut_at: int, last: int) -> None:
        self.one: Coding | None = None
        self.asked, self._cut_at, self._last = 0, cut_at, last
        self.cut: TeamCut | None = None

    def __call__(self, request: LoopbackRequest) -> ScriptedReply:
        self.asked += 1
        assert self.one is not None
        if self.asked == self._cut_at:
            self.cut = take_cut(self.one.stage.tree, by="operator", why="a test")
        if self.asked % self._last == 0:
            return say(f"result {self.asked}")
        append_operator_message(self.one.stage.tree, "ann", text=f"note {self.asked}")
        return bash(f"echo step {self.asked}; echo {self.asked} >> $OUT/ran")


def begun(code: Make, story: Story) -> tuple[Coding, TeamCut]:
    """Run to the end once."""
    one = story.one = code(story)
    assert one.run() == 0, one.told()
    assert story.cut is not None
    return one, story.cut


def conversation(body: dict[str, Any]) -> str:
    """The messages of a question, without marks of what may be cached."""
    return json.dumps(body["messages"])


def result(one: Coding) -> Any:
    return one.stage.history("ann").tasks["ann"].result


def test_it_goes_on_from_the_last_answer_that_counts_and_forward_again_and_in_a_fork(code: Make) -> None:
    one, cut = begun(code, Story(cut_at=3, last=4))
    assert result(one) == "result 4"
    kept = {
        path: path.read_bytes() for path in one.stage.tree.agent("ann").session.glob("projects/*/*.jsonl")
    }
    later = go(one, cut)
    assert one.run() == 0, one.told()
    told = conversation(one.bodies()[4])
    assert "step 1" in told and "step 2" in told and "note 1" in told
    assert "step 3" not in told and "note 3" not in told
    assert told.count("was taken back to this moment") == 1
    assert told.count("<task id=") == 1
    assert result(one) == "result 8"
    go(one, later)
    assert one.run() == 0, one.told()
    assert (result(one), len(one.bodies())) == ("result 4", 8), "what is there is not bought again"
    assert {path: path.read_bytes() for path in kept} == kept, "the other future stays as it was"
    used = [entry["usage"] for entry in one.server.log.answers("complete")]
    assert spent_by(one.stage.tree)["ann"].tokens == sum(count for use in used for count in use.values())
    go_to_fork(one, cut)
    assert one.run() == 0, one.told()
    told = conversation(one.bodies()[8])
    assert "step 2" in told and "step 3" not in told and told.count("<task id=") == 1
    assert result(one) == "result 12"
    go(one, store.read(one.stage.tree, cut.number))
    shutil.rmtree(one.stage.tree.agent("ann").session / "projects")
    assert one.run() == 0, one.told()
    told = conversation(one.bodies()[12])
    assert "<record>" in told and "step 2" in told and "step 3" not in told and told.count("<task id=") == 1
    assert told.count("note 1") == 1 and "note 3" not in told
    [warning] = [line["text"] for line in one.all_lines("ann", "warning") if "new session" in line["text"]]
    assert "no transcript" in warning
    assert result(one) == "result 16"


def test_task_that_had_not_begun_begins_in_a_session_of_its_own(code: Make) -> None:
    story = Story(cut_at=1, last=2)
    one = story.one = code(story)
    cut = take_cut(one.stage.tree, by="operator", why="a test")
    assert one.run() == 0, one.told()
    go(one, cut)
    assert one.run() == 0, one.told()
    told = conversation(one.bodies()[2])
    assert "step 1" not in told and "<record>" not in told and told.count("<task id=") == 1
    assert result(one) == "result 4"
