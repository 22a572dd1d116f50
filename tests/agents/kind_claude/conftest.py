"""A stage with the real Claude Code, cleared after each test; its home is new and its key means nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from coding import Coding, claude
from stage import Stage

from maos_sup.loopback.reply import Script
from maos_sup.loopback.server import LoopbackServer

KEY = "sk-ant-" + "dummy" * 6


@pytest.fixture
def code(
    stage: Callable[..., Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Coding]]:
    """Make a stage with a server that follows `script`."""
    program = claude()
    if program is None:
        pytest.skip("Claude Code is not installed (npm install @anthropic-ai/claude-code)")
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("MAOS_SUP_CLAUDE", program)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    for name in ("ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN", "CLAUDECODE"):
        monkeypatch.delenv(name, raising=False)
    servers: list[LoopbackServer] = []

    def make(script: Script, agents: Any = None, **more: Any) -> Coding:
        server = LoopbackServer(script, with_bodies=True, api_key=KEY)  # it must come through
        server.start()
        servers.append(server)
        return Coding(stage, server, agents or {"ann": {}}, more)

    try:
        yield make
    finally:
        for server in servers:
            server.stop()
