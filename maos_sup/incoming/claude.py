"""`import claude`: an orchestration of one agent, whose tasks begin with a copy of a session of Claude Code.

The session itself is only read, to its last whole line; its owner may go on with it, and neither knows of
what the other does from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from random import Random

from maos_sup.incoming.placing import placed
from maos_sup.incoming.sessions import FoundSession
from maos_sup.incoming.tally import Tally
from maos_sup.incoming.transcripts import copy_transcript, fault_of_transcript
from state_layout.errors import BadInput
from state_layout.files.looking import is_dir, is_regular
from state_layout.paths import Tree
from state_layout.tree import relative_project
from state_layout.tree.making import create_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeWish:
    """Says what is to come of a session."""

    session: FoundSession
    id: str  # of the orchestration
    agent: str
    task: str | None
    project: Path | None
    model: str | None


def bring_session(wish: ClaudeWish, root: Path, *, is_dry: bool = False) -> Tally:
    """Make the tree `root` of the session. Raises BadInput, StorageError."""
    tally = Tally()
    if (fault := fault_of_transcript(wish.session.path)) is not None:
        raise BadInput(f"{wish.session.path}: {fault}")
    placed(root, partial(_make, wish, root, tally), is_dry=is_dry)
    return tally


def _make(wish: ClaudeWish, root: Path, tally: Tally, scratch: Path) -> Tree:
    session = wish.session
    project = relative_project(root, wish.project) if wish.project is not None else {}
    agent = {"kind": "claude", "want": "run", "begins_with": session.id}
    task = {"agent": wish.agent, "description": wish.task, "want": "run"}
    tree = create_tree(
        scratch,
        orchestration={
            "id": wish.id,
            "request": wish.task or session.words or f"Go on with session {session.id}",
            "want": "run",
            **project,
        },
        agents={wish.agent: agent | ({"model": wish.model} if wish.model else {})},
        tasks={wish.agent: task} if wish.task else {},
    )
    copy_transcript(session.path, tree.agent(wish.agent).session, tally)
    beside = session.path.with_suffix("")
    if is_dir(beside):
        count = sum(1 for path in beside.rglob("*") if is_regular(path))
        tally.leave_out(
            "files of sub-agents and tools", "Claude Code itself does not read them to go on", count
        )
    return tree


def seed_of(session: FoundSession) -> tuple[datetime, Random]:
    """Give the time of the session's last change, and chance that is the same for the same state of it."""
    when = datetime.fromtimestamp(session.changed_s).astimezone()
    return when, Random(f"{session.id} {session.size}")
