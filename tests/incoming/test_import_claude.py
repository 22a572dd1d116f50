"""Sessions that the real Claude Code made become agents that go on from a fork; they stay as they were."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from coding import claude
from orchestra import Orchestra

from maos_sup.cli import main
from maos_sup.loopback.reply import ScriptedReply, say
from maos_sup.loopback.request import LoopbackRequest
from maos_sup.loopback.server import LoopbackServer
from state_layout.check import check
from state_layout.lives.attempts import all_lines, recall
from state_layout.records import TaskPhase

pytestmark = pytest.mark.timeout(300)
SECRET_WORD = "albatross"


class Told:
    """Remembers what the server was asked, and answers a word that only the conversation knows."""

    def __init__(self) -> None:
        self.last = ""

    def __call__(self, request: LoopbackRequest) -> ScriptedReply:
        self.last = json.dumps(request.body["messages"])
        if "Which word" not in self.last:
            return say("I remember it.")
        return say(f"It was {SECRET_WORD}." if SECRET_WORD in self.last else "I know of no word.")


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def session(orchestra: Orchestra, told: Told) -> Iterator[Path]:
    """The transcript of a session that a person had with Claude Code in the folder `project`."""
    program = claude()
    if program is None:
        pytest.skip("Claude Code is not installed (npm install @anthropic-ai/claude-code)")
    project, home = orchestra.folder / "project", orchestra.folder / "user"
    project.mkdir()
    home.mkdir()
    with LoopbackServer(told, with_bodies=True) as server:
        orchestra.environment |= {
            "HOME": str(home),
            "MAOS_SUP_CLAUDE": program,
            "ANTHROPIC_API_KEY": "sk-ant-" + "dummy" * 6,
            "ANTHROPIC_BASE_URL": server.url,
        }
        orchestra.environment.pop("CLAUDE_CONFIG_DIR", None)
        argv = [program, "-p", f"Remember the word {SECRET_WORD}.", "--model", "claude-sonnet-4-6"]
        subprocess.run(
            argv, env=orchestra.environment, cwd=project, check=True, timeout=120, stdin=subprocess.DEVNULL
        )
        (made,) = (home / ".claude" / "projects").glob("*/*.jsonl")
        yield made


def test_an_agent_goes_on_from_a_fork_and_the_session_stays_as_it_is(
    orchestra: Orchestra, session: Path, told: Told
) -> None:
    before = (session.read_bytes(), session.stat().st_mtime_ns, sorted(session.parent.iterdir()))
    listed = json.loads(orchestra.cli("import", "--json", expect=0).stdout)
    (found,) = listed["claude_sessions"]
    assert (found["id"], found["cwd"]) == (session.stem, str(orchestra.folder / "project"))
    assert SECRET_WORD in found["asked_for"]
    where = str(orchestra.root)
    given = ["--task", "Which word was it?", "--model", "claude-sonnet-4-6", "-o", where]
    made = orchestra.cli("import", "claude", session.stem[:8], *given, expect=0)
    assert f"works on {orchestra.folder / 'project'}" in made.stdout
    assert check(orchestra.tree) == []
    done = orchestra.cli("resume", where, timeout_s=240)
    assert done.returncode == 0, done.stdout + done.stderr
    history = recall(orchestra.tree, "claude").history
    assert history.tasks["claude"].result == f"It was {SECRET_WORD}."
    turns = [line.fields() for line in all_lines(orchestra.tree, "claude") if b'"type":"turn"' in line.raw]
    assert len(turns) == 1, "answers of the session are none of the agent's"
    assert history.cost_usd == pytest.approx(sum(turn.get("cost_usd", 0.0) for turn in turns))
    done = orchestra.cli("resume", where, "--task", "Which word, once more?", timeout_s=240)
    assert done.returncode == 0, done.stdout + done.stderr
    phases = [outcome.phase for outcome in recall(orchestra.tree, "claude").history.tasks.values()]
    assert phases == [TaskPhase.DONE, TaskPhase.DONE]
    assert "once more" in told.last and SECRET_WORD in told.last
    after = (session.read_bytes(), session.stat().st_mtime_ns, sorted(session.parent.iterdir()))
    assert after == before
    assert check(orchestra.tree) == []
    orchestra.assert_sound()


def test_a_session_that_is_being_written_is_taken_up_to_its_last_whole_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAOS_SUP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    id_ = "0c0ffee0-1234-4567-89ab-0123456789ab"
    file = tmp_path / "claude" / "projects" / "-gone" / f"{id_}.jsonl"
    file.parent.mkdir(parents=True)
    record = {"type": "user", "uuid": "u1", "parentUuid": None, "sessionId": id_, "cwd": "/gone"}
    whole = json.dumps({**record, "message": {"role": "user", "content": "Count the files"}}) + "\n"
    file.write_text(whole + whole.replace("u1", "u2") + '{"type": "assist')
    before = file.read_bytes()
    assert main(["import", "claude", "0c0f", "-o", str(tmp_path / "made"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["table"]
    assert [(row["fate"], row["count"]) for row in rows] == [("taken", 2), ("left out", 1)]
    (copy,) = (tmp_path / "made").glob("agents/claude/session/projects/*/*.jsonl")
    assert copy.read_bytes() == before.rpartition(b"\n")[0] + b"\n"
    assert file.read_bytes() == before


def test_what_is_no_session_is_one_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAOS_SUP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    folder = tmp_path / "claude" / "projects" / "-p"
    folder.mkdir(parents=True)
    one, other = (f"0c0ffee{number}-1234-4567-89ab-0123456789ab" for number in (0, 1))
    record = json.dumps({"type": "user", "uuid": "u", "sessionId": one}) + "\n"
    for name, text in ((one, record), (other, record), ("notes", record)):
        (folder / f"{name}.jsonl").write_text(text)
    (folder / f"2{one[1:]}.jsonl").write_text("not a line of JSON\n")
    cases = {
        "ffff": "no session of Claude Code",
        "0c0": "2 sessions of Claude Code",
        "": "sessions of Claude Code",
        other: f"is of session {one}",
        f"2{one[1:8]}": "is no session of Claude Code",
        str(folder / "notes.jsonl"): "its name is not the id of one",
        str(folder / "none.jsonl"): "is not there",
    }
    os.mkfifo(folder / f"3{one[1:]}.jsonl")
    cases[f"3{one[1:8]}"] = "no session of Claude Code"
    cases[str(folder / f"3{one[1:]}.jsonl")] = "is not there"
    for wanted, words in cases.items():
        assert main(["import", "claude", wanted]) == 2
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1, (wanted, error)
    assert not (tmp_path / "home").exists() or not any((tmp_path / "home").iterdir())


def test_a_folder_too_long_and_words_with_zeros_do_no_harm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAOS_SUP_HOME", str(tmp_path / "home"))
    session = tmp_path / "0c0ffee0-1234-4567-89ab-0123456789ab.jsonl"
    record = {"type": "user", "uuid": "u", "sessionId": session.stem, "cwd": "/" + "x" * 5000}
    session.write_text(json.dumps({**record, "message": {"content": "one\0two"}}) + "\n")
    assert main(["import", "claude", str(session), "-o", str(tmp_path / "made")]) == 0
    assert "has no project" in capsys.readouterr().out
    assert json.loads((tmp_path / "made/spec/orchestration.json").read_text())["request"] == "one two"
