"""The example with the SDK's real command line, against our server: a talk goes on from our files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import claude_agent_sdk
import pytest

from maos_sup.loopback.reply import ScriptedReply, say
from maos_sup.loopback.request import LoopbackRequest, text_of
from maos_sup.loopback.server import LoopbackServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "claude_session_store" / "talk.py"
BUNDLED = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"


@pytest.mark.skipif(not BUNDLED.is_file(), reason="the SDK was installed without its command line")
def test_a_conversation_goes_on_from_the_store_when_the_sdk_has_lost_its_own_files(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(request: LoopbackRequest) -> ScriptedReply:
        asked.append("\n".join(text_of(message["content"]) for message in request.body["messages"]))
        return say(f"answer {len(asked)}")

    with LoopbackServer(answer) as server:
        first = talk(tmp_path, server.url, "one", "Remember the number 7.")
        second = talk(tmp_path, server.url, "two", "Which number was it?", "--resume", "--list")
    assert first == "answer 1\n"
    assert second.startswith("answer 2\n")
    assert second.endswith("Remember the number 7.\n")
    assert "Remember the number 7." in asked[1]
    assert "answer 1" in asked[1]


def talk(folder: Path, url: str, home: str, *words: str) -> str:
    """One run of the example; each `home` is a machine that never saw the others' files."""
    (folder / home).mkdir()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("CLAUDE", "ANTHROPIC"))}
    environment = {
        **kept,
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "none",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "HOME": str(folder / home),
    }
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), str(folder / "store"), *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
