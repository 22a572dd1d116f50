"""A line of the transcript is lost: `check` says so, and the model is told its task again, once."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from coding import DEADLINE_S, Coding, bash
from stage import kill_marked, wait_for

from maos_sup.agents.kinds.claude import starting
from maos_sup.agents.kinds.claude.settings import ClaudeSettings
from maos_sup.agents.kinds.claude.transcript import TranscriptTalk
from maos_sup.agents.sessions import session_problems
from maos_sup.loopback.reply import ScriptedReply, say
from maos_sup.loopback.request import LoopbackRequest
from state_layout.check import Finding, Severity
from state_layout.mail.operator_mail import append_operator_message

pytestmark = pytest.mark.timeout(400)
Make = Callable[..., Coding]
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "zeros": lambda line: b"\0" * len(line),
    "cut": lambda line: line[: len(line) // 2],
    "gone": lambda line: b"",
}


def transcript(one: Coding) -> Path:
    [path] = one.stage.tree.agent("ann").session.glob("projects/*/*.jsonl")
    return path


def damage(path: Path, kind: str, *, of: int) -> None:
    """Damage the record of the `of`-th answer of the model."""
    lines = path.read_bytes().split(b"\n")
    answers = [n for n, line in enumerate(lines) if b'"type":"assistant"' in line and b'"uuid"' in line]
    lines[answers[of]] = DAMAGES[kind](lines[answers[of]])
    path.write_bytes(b"\n".join(lines))


@pytest.mark.parametrize("kind", list(DAMAGES))
def test_damaged_line_is_named_and_the_task_told_again_once(code: Make, kind: str) -> None:
    def script(request: LoopbackRequest) -> ScriptedReply:
        known = len(one.stage.words("ran"))
        if known < 4:
            return bash(f"echo {known} >> $OUT/ran{'; sleep 60' if known in (1, 3) else ''}")
        return say("done")

    one = code(script)
    append_operator_message(one.stage.tree, "ann", text="mind the gap")
    for number in (2, 4):
        life = one.stage.live("ann")
        wait_for(lambda n=number: len(one.stage.words("ran")) >= n, "a step", deadline_s=DEADLINE_S)
        life.kill()
        wait_for(lambda: not kill_marked([one.stage.root]), "all is dead", deadline_s=DEADLINE_S)
        if number == 2:
            assert session_problems(one.stage.tree) == []
            damage(transcript(one), kind, of=0)
            [problem] = session_problems(one.stage.tree)
            assert (problem.finding, problem.severity) == (Finding.SESSION_GAP, Severity.PROBLEM)
    assert one.run() == 0, one.told()
    told = one.texts()
    assert "was damaged" in told and "<task id=" in told and "mind the gap" in told
    assert told.count("The record of this conversation was damaged") == 1
    assert one.stage.words("ran") == ["0", "1", "2", "3"]
    warnings = [line["text"] for line in one.all_lines("ann", "warning") if "told again" in line["text"]]
    assert len(warnings) == 1 and transcript(one).name in warnings[0]
    assert [problem.severity for problem in session_problems(one.stage.tree)] == [Severity.NOTE]


def records(*parents: tuple[str, str | None]) -> list[dict[str, Any]]:
    return [{"type": "user", "uuid": name, "parentUuid": parent} for name, parent in parents]


@pytest.mark.parametrize(
    ("chain", "lost"),
    [
        ([("a", None), ("b", "a"), ("c", "b")], None),
        ([("a", None), ("c", "b")], "b"),
        ([("b", "a"), ("c", "b")], "a"),
        ([("a", None), ("x", "lost"), ("b", "a")], None),  # a branch that was left
        ([("a", None), ("b", "a"), ("c", None), ("d", "c")], None),  # a summary took the place of what was
        ([("a", "b"), ("b", "a")], None),
        ([], None),
    ],
)
def test_gap_is_where_the_chain_from_the_newest_record_breaks(
    chain: list[tuple[str, str | None]], lost: str | None
) -> None:
    talk = TranscriptTalk()
    for line, record in enumerate(records(*chain), start=1):
        talk.take(json.loads(json.dumps(record)), line=line)
    gap = talk.gap()
    assert (None if gap is None else gap.record) == lost


def test_program_of_the_sdk_is_found_where_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "claude_agent_sdk"
    (package / "_bundled").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('it is not imported')")
    program = package / "_bundled" / "claude"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "claude_agent_sdk", raising=False)  # another test may have imported it
    assert starting.executable(ClaudeSettings(), {"PATH": str(tmp_path)}) == str(program)
    other = tmp_path / "claude"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    assert starting.executable(ClaudeSettings(), {"PATH": str(tmp_path)}) == str(other)
