"""Says which files of a tree are mirrored, and how: by their path alone, after the table in FORMAT.md.

Left out is what belongs to a host (`run/`), what no record needs (locks, torn tails, temporaries) and what is
no record: workspaces, sessions, artifacts, worktrees and their snapshots.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from maos_sup.mirrors.mirror import Sort
from state_layout.files.atomic import is_temporary
from state_layout.mail.boxes import OPERATOR

TOPS = ("spec", "supervisor", "agents", "mail", "budget", "state", "checkpoints")
TOP_FILES = ("README.txt", "FORMAT")
_OF_PROGRAMS = frozenset({"session", "workspace", "artifacts", "worktree", "restoring", "snapshots"})
_LEFT_OUT = frozenset({"lock", ".lock", "worktree.json"})
_NAME = "[a-z0-9][a-z0-9_-]{0,63}"
_CHAINED = re.compile(
    rf"supervisor/lives/(?P<life>\d{{4,}})/journal\.jsonl"
    rf"|agents/(?P<agent>{_NAME})/attempts/(?P<attempt>\d{{4,}})/journal\.jsonl"
    rf"|mail/(?P<box>{_NAME})/(?P<sender>{_NAME})\.jsonl(?P<void>\.void-\d+)?"
    rf"|budget/(?P<payer>{_NAME})\.jsonl"
    rf"|state/(?P<scope>orchestration|custom/{_NAME})/(?P<writer>{_NAME})\.jsonl(?P<aside>\.void-\d+)?"
    r"|(?P<store>state/(?:langgraph|claude)/.*)journal\.jsonl"
    r"|spec/(?P<people>accepted|acts)\.jsonl"
)
_GROWING = re.compile(
    rf"agents/(?P<agent>{_NAME})/attempts/(?P<attempt>\d{{4,}})/"
    r"(stdout\.log|stderr\.log|events\.jsonl|control\.jsonl)"
)
_EXIT = re.compile(rf"agents/(?P<agent>{_NAME})/attempts/(?P<attempt>\d{{4,}})/exit\.json")
_STATUS = re.compile(rf"agents/(?P<agent>{_NAME})/status\.json")
_AGENT_SPEC = re.compile(rf"spec/agents/(?P<agent>{_NAME})\.json")
_CHECKPOINT = re.compile(r"checkpoints/\d{4,}\.json")


class FollowedFile(NamedTuple):
    """Says what a file is: `what` in the database's words; agent, attempt and scope where it has them."""

    sort: Sort
    what: str
    agent: str | None = None
    attempt: int | None = None  # or the life of a supervisor
    scope: str | None = None  # whose mail box it is in, or which scope of shared state
    is_set_aside: bool = False  # by a rollback: none of its lines counts


def is_followed_folder(parts: tuple[str, ...]) -> bool:
    """Files in the folder with these names below the tree may be mirrored."""
    return not (len(parts) == 3 and parts[0] == "agents" and parts[2] in _OF_PROGRAMS)


@lru_cache(maxsize=1 << 14)
def source_of(path: str) -> FollowedFile | None:
    """Say what the file at `path`, relative to the tree, is; None if it is not mirrored."""
    parts = tuple(path.split("/"))
    name = parts[-1]
    if not _is_in_place(parts) or not is_followed_folder(parts[:3]):
        return None
    if name in _LEFT_OUT or is_temporary(name) or re.search(r"\.torn-\d+$", name):
        return None
    chained = _CHAINED.fullmatch(path)
    if chained is not None:
        return _chained(chained.groupdict())
    if growing := _GROWING.fullmatch(path):
        return FollowedFile(Sort.PIECES, "output", growing["agent"], int(growing["attempt"]))
    if exit_ := _EXIT.fullmatch(path):
        return FollowedFile(Sort.CONTENT, "exit", exit_["agent"], int(exit_["attempt"]))
    if status := _STATUS.fullmatch(path):
        return FollowedFile(Sort.CONTENT, "status", status["agent"])
    if spec := _AGENT_SPEC.fullmatch(path):
        return FollowedFile(Sort.CONTENT, "agent_spec", spec["agent"])
    return FollowedFile(Sort.CONTENT, "checkpoint" if _CHECKPOINT.fullmatch(path) else "file")


def _is_in_place(parts: tuple[str, ...]) -> bool:
    """The path names a file at the top of the tree, or in one of the folders that hold records."""
    if len(parts) == 1:
        return parts[0] in TOP_FILES
    return parts[0] in TOPS and not any(part in ("", ".", "..") for part in parts)


def _chained(found: dict[str, str | None]) -> FollowedFile:
    if (sender := found["sender"]) is not None:
        if sender == OPERATOR:
            return FollowedFile(Sort.CONTENT, "file")  # people write it by hand: it is not chained
        return FollowedFile(
            Sort.LINES, "mail", sender, scope=found["box"], is_set_aside=found["void"] is not None
        )
    if (writer := found["writer"]) is not None:
        scope = (found["scope"] or "").replace("/", ":")
        return FollowedFile(Sort.LINES, "state", writer, scope=scope, is_set_aside=found["aside"] is not None)
    if (agent := found["agent"]) is not None:
        return FollowedFile(Sort.LINES, "journal", agent, int(found["attempt"] or 0))
    if (life := found["life"]) is not None:
        return FollowedFile(Sort.LINES, "life", "supervisor", int(life))
    if (payer := found["payer"]) is not None:
        return FollowedFile(Sort.LINES, "budget", payer)
    return FollowedFile(Sort.LINES, found["people"] or "store", scope=found["store"])
