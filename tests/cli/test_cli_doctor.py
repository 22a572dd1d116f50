"""`doctor` tells what a host has, whatever the host is like, and shows no secret."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from maos_sup.cli.probes.finding import Grade, Probe, ProbeFinding, examine, first_line_of
from maos_sup.loopback.server import LoopbackServer

Call = Callable[..., Any]
KEY = "sk-ant-REDACTED"


def findings(call: Call) -> dict[str, dict[str, Any]]:
    answer = call("doctor", "--json")
    assert (answer.code, answer.err) == (0, "")
    told = json.loads(answer.out)
    assert told["ok"] is True
    return {one["name"]: one for one in told["findings"]}


def program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH of a folder of our own, and no keys; the folder."""
    for name in ("CLAUDE_CODE_OAUTH_TOKEN", "OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.usefixtures("bare")
def test_a_bare_host_lacks_what_some_use_and_is_fit_all_the_same(call: Call, home: Path) -> None:
    found = findings(call)
    for name in ("git", "keys", "claude", "codex", "gemini", "opencode"):
        assert found[name]["grade"] == "missing", found[name]
        assert found[name]["remedy"]
    for name in ("python", "home", "locks", "disk"):
        assert (found[name]["grade"], found[name]["needed"]) == ("ok", True), found[name]
    assert list(home.iterdir()) == []


def test_programs_are_told_with_their_versions(call: Call, bare: Path) -> None:
    program(bare, "codex", "echo codex-cli 9.8.7")
    program(bare, "gemini", "echo boom >&2; exit 4")
    found = findings(call)
    assert (found["codex"]["grade"], found["codex"]["text"]) == ("ok", "codex-cli 9.8.7")
    assert found["gemini"]["grade"] == "warn"
    assert "ended with 4: boom" in found["gemini"]["text"]


def test_no_secret_is_shown(call: Call, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://user:hunter2-the-password@127.0.0.1:9")
    program(bare, "codex", "echo $ANTHROPIC_API_KEY")
    for words in (("doctor",), ("doctor", "--json")):
        answer = call(*words)
        assert KEY not in answer.out + answer.err
        assert "hunter2" not in answer.out + answer.err
        assert "ANTHROPIC_API_KEY set" in answer.out


def test_a_server_that_answers_is_told_and_one_that_does_not(
    call: Call, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = findings(call)["model server"]
    assert (found["grade"], found["text"].endswith("answers")) == ("ok", True), found
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")  # the port of nobody
    found = findings(call)["model server"]
    assert (found["grade"], "does not answer" in found["text"]) == ("warn", True), found


def test_a_home_that_cannot_be_written_is_missing(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAOS_SUP_HOME", "/proc/sys/home")  # not even root writes there
    answer = call("doctor")
    assert answer.code == 14
    assert "missing  home" in answer.out
    assert "-> set MAOS_SUP_HOME to a folder that you may write" in answer.out
    assert "nothing can run before this is mended: home" in answer.out


@pytest.mark.parametrize("below", ["", "runs"])
def test_a_home_whose_place_something_else_takes_is_missing(
    call: Call, bare: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, below: str
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "nowhere").symlink_to("gone")
    for name in ("file", "nowhere"):
        monkeypatch.setenv("MAOS_SUP_HOME", str(tmp_path / name / below))
        answer = call("doctor")
        assert answer.code == 14
        assert f"cannot be written ({tmp_path / name} is no folder)" in answer.out, answer.out


def test_a_home_that_is_not_there_yet_is_not_made(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAOS_SUP_HOME", str(tmp_path / "later"))
    assert "made by the first run" in findings(call)["home"]["text"]
    assert not (tmp_path / "later").exists()


def test_a_probe_that_hangs_or_raises_is_a_finding_and_the_others_are_told() -> None:
    def hang() -> Iterator[ProbeFinding]:
        signal.sigwait({signal.SIGUSR2})  # nobody sends it
        yield from ()

    def burst() -> Iterator[ProbeFinding]:
        yield ProbeFinding(name="burst", grade=Grade.OK, text={}["no value"])

    def fine() -> Iterator[ProbeFinding]:
        yield ProbeFinding(name="fine", grade=Grade.OK, text="here")

    probes = [Probe(name=look.__name__, look=look) for look in (hang, burst, fine)]
    found = {one.name: (one.grade, one.text) for one in examine(probes, longest_s=0.5)}
    assert found == {
        "hang": (Grade.WARN, "did not answer within 0.5 s"),
        "burst": (Grade.WARN, "cannot be looked at: 'no value'"),
        "fine": (Grade.OK, "here"),
    }


def test_a_program_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program(tmp_path, "slow", f"sleep 600 & echo $! > {note}; wait")
    with pytest.raises(TimeoutError, match="did not answer within 1 s"):
        first_line_of([str(tmp_path / "slow")], longest_s=1.0)
    pid = int(note.read_text())
    ends_s = time.monotonic() + 60
    while _runs(pid) and time.monotonic() < ends_s:
        time.sleep(0.01)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    with suppress(ProcessLookupError, FileNotFoundError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
