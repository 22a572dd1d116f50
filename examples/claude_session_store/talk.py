"""A conversation with Claude whose transcript lies in plain files, and goes on from there on any machine.

    pip install claude-agent-sdk                            # beside maos-sup
    python talk.py STORE "Remember the number 7."
    python talk.py STORE "Which number was it?" --resume    # also after the SDK's own files are gone
    python talk.py STORE --list

Needs what the SDK needs: a key in ANTHROPIC_API_KEY (ANTHROPIC_BASE_URL names another server). See it with
    jq -r '.entries[]?.json | select(.message) | "\\(.type): \\(.message.content)"' \\
        STORE/sessions/*/*/journal.jsonl
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    TextBlock,
    list_sessions_from_store,
    query,
)

from maos_sup.integrations.claude_sdk import TreeSessionStore


async def say(store: TreeSessionStore, prompt: str, *, resume: bool) -> None:
    options = ClaudeAgentOptions(
        session_store=store, continue_conversation=resume, tools=[], max_turns=1, cwd=Path.cwd()
    )
    async for message in query(prompt=prompt, options=options):
        if isinstance(message, AssistantMessage):
            print(*(block.text for block in message.content if isinstance(block, TextBlock)), sep="\n")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("store")
    parser.add_argument("prompt", nargs="?")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    store = TreeSessionStore(given.store)
    if given.prompt:
        await say(store, given.prompt, resume=given.resume)
    if given.list:
        for session in await list_sessions_from_store(store, directory=str(Path.cwd())):
            print(session.session_id, session.first_prompt)


if __name__ == "__main__":
    asyncio.run(main())
