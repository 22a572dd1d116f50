"""Agents that people wrote for Claude Code (`.claude/agents/*.md`): names, and what they are for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from state_layout.files.looking import is_regular

_HEAD_BYTES = 1 << 16
_KEY = re.compile(r"^(name|description):[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_MOST_WORDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundAgent:
    """One agent, by the name that kind `claude` takes as `agent`."""

    name: str
    path: Path
    words: str


def claude_agents(folders: Iterable[Path]) -> Iterator[FoundAgent]:
    """Yield the agents in `.claude/agents` of `folders`, those of the first folder first."""
    for folder in dict.fromkeys(folders):
        for path in sorted((folder / ".claude" / "agents").rglob("*.md")):
            try:
                if not is_regular(path):  # a pipe would wait for its writer
                    continue
                with path.open("rb") as file:
                    text = file.read(_HEAD_BYTES).decode("utf-8", "replace")
            except OSError:
                continue
            _, _, rest = text.partition("---\n")
            told = dict(_KEY.findall(rest.partition("\n---")[0])) if text.startswith("---\n") else {}
            name = told.get("name", "").strip("\"'")
            words = " ".join(told.get("description", "").strip("\"'").split())
            yield FoundAgent(name=name or path.stem, path=path, words=words[:_MOST_WORDS])
