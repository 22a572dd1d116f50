"""Says what `import` without more lists: what other programs left on this machine, and what to type to
take it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from maos_sup.cli.says import say, say_json
from maos_sup.incoming.agents_md import FoundAgent, claude_agents
from maos_sup.incoming.maos.database import FoundDatabase, databases_in
from maos_sup.incoming.sessions import FoundSession, claude_sessions, codex_sessions
from maos_sup.views.render import table, terminal_width

_MOST = 10  # sessions of each program


def claude_folder() -> Path:
    """Find the folder in which Claude Code keeps its sessions."""
    given = os.environ.get("CLAUDE_CONFIG_DIR")
    return Path(given) if given else Path.home() / ".claude"


def codex_folder() -> Path:
    """Find the folder in which Codex keeps its sessions."""
    given = os.environ.get("CODEX_HOME")
    return Path(given) if given else Path.home() / ".codex"


def say_importable(*, as_json: bool) -> None:
    """Print what there is. Only reads."""
    here, user = Path.cwd(), Path.home()
    databases = [*databases_in(dict.fromkeys([here, here / ".maos", user, user / ".maos"]))]
    claude, claude_count = claude_sessions(claude_folder(), most=_MOST)
    codex, codex_count = codex_sessions(codex_folder(), most=_MOST)
    agents = [*claude_agents([here, *here.parents, user])]
    if as_json:
        say_json(
            {
                "maos_databases": [
                    {"path": str(each.path), "orchestrations": each.orchestrations, "agents": each.agents}
                    for each in databases
                ],
                "claude_sessions": [_session_json(each) for each in claude],
                "claude_sessions_count": claude_count,
                "claude_agents": [
                    {"name": each.name, "path": str(each.path), "description": each.words} for each in agents
                ],
                "codex_sessions": [_session_json(each) for each in codex],
                "codex_sessions_count": codex_count,
            }
        )
        return
    parts = [
        _databases(databases),
        _sessions(
            f"Claude Code sessions ({_of(len(claude), claude_count)}); one: maos-sup import claude SESSION",
            claude,
        ),
        _agents(agents),
        _sessions(f"Codex sessions ({_of(len(codex), codex_count)}); they stay where they are", codex),
    ]
    text = "\n\n".join("\n".join(lines) for part in parts if (lines := [*part]))
    say(text or "nothing of MAOS, Claude Code or Codex is here; an archive: maos-sup import FILE")


def _databases(found: list[FoundDatabase]) -> Iterator[str]:
    if found:
        yield "MAOS databases"
        for each in found:
            counts = f"{_many(each.orchestrations, 'orchestration')}, {_many(each.agents, 'agent')}"
            yield f"  {each.path}: {counts}; take it: maos-sup import maos {shlex.quote(str(each.path))}"


def _sessions(head: str, found: list[FoundSession]) -> Iterator[str]:
    if found:
        yield head
        rows = [(each.id, _time(each.changed_s), each.cwd or "-", each.words or "-") for each in found]
        heads = ("SESSION", "CHANGED", "WHERE", "ASKED FOR")
        yield from (
            f"  {line}" for line in table(heads, rows, width=terminal_width() - 2, by_worth=("WHERE",))
        )


def _agents(found: list[FoundAgent]) -> Iterator[str]:
    if found:
        yield 'agents of Claude Code; in a plan: kind = "claude", agent = NAME'
        rows = [(each.name, str(each.path), each.words or "-") for each in found]
        heads = ("NAME", "FILE", "WHAT FOR")
        yield from (
            f"  {line}" for line in table(heads, rows, width=terminal_width() - 2, by_worth=("FILE",))
        )


def _of(shown: int, count: int) -> str:
    return f"the newest {shown} of {count:,}" if shown < count else f"{count}"


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%MZ")


def _session_json(each: FoundSession) -> dict[str, object]:
    return {
        "id": each.id,
        "path": str(each.path),
        "changed": _time(each.changed_s),
        "bytes": each.size,
        "cwd": each.cwd,
        "asked_for": each.words,
    }
