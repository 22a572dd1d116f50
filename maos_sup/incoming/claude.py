"""`import claude`: an orchestration of one agent, whose tasks begin with a copy of a session of Claude Code.

The session itself is only read, to its last whole line; its owner may go on with it, and neither knows of
what the other does from then on.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from random import Random

from maos_sup.incoming.placing import placed
from maos_sup.incoming.sessions import SESSION, FoundSession
from maos_sup.incoming.tally import Tally
from state_layout.errors import BadInput, storage_error
from state_layout.files import atomic, codec
from state_layout.paths import Tree
from state_layout.tree import relative_project
from state_layout.tree.making import create_tree

_CHUNK_BYTES = 1 << 20
_FOLDER = "projects/imported"  # below session/, where Claude Code looks for transcripts


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeWish:
    """What is to come of a session."""

    session: FoundSession
    id: str  # of the orchestration
    agent: str
    task: str | None
    project: Path | None
    model: str | None


def bring_session(wish: ClaudeWish, root: Path, *, is_dry: bool = False) -> Tally:
    """Make the tree `root` of the session. Raises BadInput, StorageError."""
    tally = Tally()
    _refuse_others(wish.session)
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
    _copy(session, tree.agent(wish.agent).session / _FOLDER / f"{session.id}.jsonl", tally)
    beside = session.path.with_suffix("")
    if beside.is_dir():
        count = sum(1 for path in beside.rglob("*") if path.is_file())
        tally.leave_out(
            "files of sub-agents and tools", "Claude Code itself does not read them to go on", count
        )
    return tree


def _copy(session: FoundSession, target: Path, tally: Tally) -> None:
    """Copy the whole lines of the transcript; what follows them is being written, or torn."""
    atomic.make_folder(target.parent)
    records = 0
    try:
        with (
            session.path.open("rb") as source,
            atomic.opened(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as to,
        ):
            rest = b""
            while data := source.read(_CHUNK_BYTES):
                head, feed, rest = (rest + data).rpartition(b"\n")
                records += head.count(b"\n") + bool(feed)
                atomic.write_all(to, head + feed)
    except OSError as cause:
        raise storage_error("copy", session.path, cause) from cause
    tally.take("records", records)
    if rest:
        tally.leave_out("records", "not whole: it was being written, or is torn")


def _refuse_others(session: FoundSession) -> None:
    """Raise BadInput for what is no transcript of Claude Code."""
    try:
        with session.path.open("rb") as file:
            lines = file.read(_CHUNK_BYTES).split(b"\n")[:-1]
    except OSError as cause:
        raise storage_error("read", session.path, cause) from cause
    if not re.fullmatch(SESSION, session.id):
        raise BadInput(f"{session.path}: is no session of Claude Code: its name is not the id of one")
    for line in lines:
        try:
            record = codec.decode(line)
        except codec.NotJson:
            continue
        if isinstance(record, dict) and record.get("sessionId") and record.get("uuid"):
            if record["sessionId"] != session.id:
                raise BadInput(
                    f"{session.path}: is of session {record['sessionId']}; give the file that name"
                )
            return
    raise BadInput(f"{session.path}: is no session of Claude Code: no record of it names its session")


def seed_of(session: FoundSession) -> tuple[datetime, Random]:
    """When the session was changed last, and chance that is the same for the same state of it."""
    when = datetime.fromtimestamp(session.changed_s).astimezone()
    return when, Random(f"{session.id} {session.size}")
