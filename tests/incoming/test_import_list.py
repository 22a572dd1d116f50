"""`import` alone lists what other programs left on this machine, and changes nothing of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from maos_databases import endless_views, full

from maos_sup.cli import main

ID = "0c0ffee0-1234-4567-89ab-0123456789ab"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of a user, with a project in it."""
    project = tmp_path / "user" / "project"
    project.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("MAOS_SUP_HOME", str(tmp_path / "home"))
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(project)
    return tmp_path / "user"


def state(folder: Path) -> dict[str, object]:
    return {
        str(path): (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in folder.rglob("*")
    }


def test_all_that_is_here_is_listed_and_nothing_is_changed(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full(machine / "project" / "maos.db")
    (machine / "project" / "other.db").write_text("no database\n")
    claude = machine / ".claude" / "projects" / "-p"
    claude.mkdir(parents=True)
    asked = {"type": "user", "uuid": "u", "sessionId": ID, "cwd": "/p", "message": {"content": "Count files"}}
    meta = {**asked, "isMeta": True, "message": {"content": "Caveat: not the person's words"}}
    (claude / f"{ID}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in (meta, asked)))
    agents = machine / "project" / ".claude" / "agents"
    agents.mkdir(parents=True)
    (agents / "r.md").write_text("---\nname: reviewer\ndescription: reads what others do\n---\nYou read.\n")
    (agents / "plain.md").write_text("You are plain.\n")
    codex = machine / ".codex" / "sessions" / "2026" / "11" / "30"
    codex.mkdir(parents=True)
    lines = [
        {"type": "session_meta", "payload": {"id": ID, "cwd": "/q"}},
        {
            "type": "response_item",
            "payload": {"type": "message", "role": "user", "content": [{"text": "Sort"}]},
        },
    ]
    (codex / f"rollout-2026-11-30T01-00-00-{ID}.jsonl").write_text(
        "".join(json.dumps(x) + "\n" for x in lines)
    )
    before = state(machine)
    assert main(["import"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    expected = (
        "maos.db: 1 orchestration, 3 agents",
        "Count files",
        "reviewer",
        "reads what others do",
        "Sort",
    )
    for words in expected:
        assert words in out
    assert main(["import", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["path"] for each in told["maos_databases"]] == [str(machine / "project" / "maos.db")]
    (codex_session,) = told["codex_sessions"]
    assert (codex_session["id"], codex_session["cwd"], codex_session["asked_for"]) == (ID, "/q", "Sort")
    assert [each["name"] for each in told["claude_agents"]] == ["plain", "reviewer"]
    assert told["claude_sessions"][0]["asked_for"] == "Count files"
    assert state(machine) == before


def test_what_cannot_be_read_is_passed_over_and_an_empty_machine_says_so(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import"]) == 0
    assert "nothing of MAOS, Claude Code or Codex is here" in capsys.readouterr().out
    claude = machine / ".claude" / "projects" / "-p"
    claude.mkdir(parents=True)
    (claude / f"{ID}.jsonl").write_bytes(b'{"cwd": 5, "message": []}\n[1]\n\xff\xfe\n' + b"x" * 300_000)
    (claude / "link.jsonl").symlink_to("/dev/zero")
    (claude / "folder.jsonl").mkdir()
    os.mkfifo(claude / "pipe.jsonl")
    for number, message in enumerate(('"text"', "[1]", "5", '{"content": "a\\u0000b"}')):
        line = f'{{"type": "user", "message": {message}}}\n'
        (claude / f"0c0ffee{number + 1}{ID[8:]}.jsonl").write_text(line)
    agents = machine / ".claude" / "agents"
    agents.mkdir()
    os.mkfifo(agents / "pipe.md")
    (agents / "zeros.md").symlink_to("/dev/zero")
    (machine / "project" / "broken.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    endless_views(machine / "project" / "endless.db")
    assert main(["import"]) == 0
    out = capsys.readouterr().out
    assert ID in out and "a b" in out
    assert not any(words in out for words in ("link", "broken", "pipe", "zeros", "endless"))


def test_only_the_newest_sessions_are_shown_and_the_others_counted(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claude = machine / ".claude" / "projects" / "-p"
    claude.mkdir(parents=True)
    for number in range(25):
        file = claude / f"0c0ffee0-1234-4567-89ab-0000000000{number:02}.jsonl"
        file.write_text("{}\n")
        os.utime(file, (number, number))
    assert main(["import"]) == 0
    out = capsys.readouterr().out
    assert "the newest 10 of 25" in out and "0000000000" + "24" in out and "0000000000" + "14" not in out
