"""A stage with a model, cleared after each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from stage import Stage
from talking import Talk

from maos_sup.loopback.reply import ScriptedReply
from maos_sup.loopback.request import LoopbackRequest
from maos_sup.loopback.server import LoopbackServer


@pytest.fixture
def talk(stage: Callable[..., Stage]) -> Iterator[Callable[..., Talk]]:
    """Make a stage with a server that follows `script`."""
    servers: list[LoopbackServer] = []

    def make(script: Callable[[LoopbackRequest], ScriptedReply], agents: Any = None, **more: Any) -> Talk:
        server = LoopbackServer(script, with_bodies=True)
        server.start()
        servers.append(server)
        return Talk(stage, server, agents or {"ann": {}}, more)

    try:
        yield make
    finally:
        for server in servers:
            server.stop()
