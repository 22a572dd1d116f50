"""A session store for the Claude Agent SDK on plain files: `TreeSessionStore(folder)`.

A transcript is one chained journal (FORMAT.md, one folder up). It must never acknowledge what is not durable,
nor let a key choose a path, nor look into what the SDK stores. Needs `pip install claude-agent-sdk`.
"""

from __future__ import annotations

from maos_sup.integrations.needed import needed

with needed("claude-agent-sdk", modules=("claude_agent_sdk", "mcp")):
    from maos_sup.integrations.claude_sdk.store import TreeSessionStore

__all__ = ["TreeSessionStore"]
