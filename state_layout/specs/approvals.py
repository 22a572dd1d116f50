"""Questions that agents ask and the files by which people answer them (`spec/approvals/`).

A question's id contains a hash of exactly what is asked, so an answer never fits another question; a file
that was there before the question is none; `.no` wins over `.yes`. `touch` is enough.

Whether a file was there is known by its stamps, taken when the question is asked: the kernel's own (ctime),
which nobody can set, and no clock is asked, for clocks are set back. A file with the same time of change or
of content is the one that was there (a copy of a tree keeps the latter); any other is an answer.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from state_layout.files import atomic, codec
from state_layout.paths import Tree

if TYPE_CHECKING:
    from state_layout.records.snapshots import AgentSnapshot

_ANSWER = re.compile(r"([^.].*)\.(?:yes|no)")
_LONGEST_ANSWER_BYTES = 1 << 16
_SUFFIXES = ("no", "yes")  # the first wins
_KERNEL_TICK_S, _WHOLE_SECONDS_S = 0.02, 2.0


class Approval(Struct, frozen=True, kw_only=True):
    """An approval is what a person said; `text` is the file's content, often empty."""

    is_yes: bool
    text: str


def question_id(agent: str, task: str, run: int, text: str) -> str:
    """Make the id of a question: the agent's name and a hash over everything that makes it this question."""
    from hashlib import sha256  # few ask, and many look whether somebody does

    exact = codec.encode([agent, task, run, text])
    return f"{agent}-{sha256(exact).hexdigest()[:12]}"


def misnamed_answers(tree: Tree) -> list[str]:
    """List the names of files that were meant to answer and fit no question that could be asked here."""
    try:
        names = sorted(path.name for path in tree.approvals.iterdir())
        agents = {path.stem for path in tree.agent_specs.iterdir()}
    except OSError:
        return []
    return [name for name in names if (found := _ANSWER.fullmatch(name)) and not _is_id(found[1], agents)]


def _is_id(stem: str, agents: set[str]) -> bool:
    agent, _, digits = stem.rpartition("-")
    return agent in agents and re.fullmatch("[0-9a-f]{12}", digits) is not None


def standing_answers(tree: Tree, question: str) -> dict[str, list[int]]:
    """Take the stamps of files there before `question` is asked, by suffix: for its record (`before`)."""
    found = {}
    for suffix in _SUFFIXES:
        try:
            seen = (tree.approvals / f"{question}.{suffix}").lstat()
        except OSError:
            continue
        found[suffix] = _stamps(seen)
    return found


def answer_of(tree: Tree, asked: Mapping[str, Any]) -> Approval | None:
    """Read the answer to an open question as histories and snapshots have it; None while there is none."""
    return answer_to(tree, asked["id"], asked_at=asked["at"], before=asked.get("before"))


def answer_to(
    tree: Tree, question: str, *, asked_at: str, before: Mapping[str, Sequence[int]] | None = None
) -> Approval | None:
    """Read the answer to `question`, or None while there is none.

    `before`: what stood there when it was asked. Without it (records of older versions) a file counts that
    is not older than `asked_at` (as in records), neither by its own time nor by the kernel's.
    """
    asked_s = datetime.fromisoformat(asked_at).timestamp()
    for suffix in _SUFFIXES:
        path = tree.approvals / f"{question}.{suffix}"
        try:
            with atomic.opened(path, os.O_RDONLY) as descriptor:
                seen = os.fstat(descriptor)
                is_old = _latest_s(seen) < asked_s if before is None else _stood(seen, before.get(suffix))
                if is_old:
                    continue
                text = os.read(descriptor, _LONGEST_ANSWER_BYTES).decode("utf-8", "replace").strip()
        except OSError:
            continue
        return Approval(is_yes=suffix == "yes", text=text)
    return None


def _stamps(seen: os.stat_result) -> list[int]:
    return [seen.st_ctime_ns, seen.st_mtime_ns]


def _stood(seen: os.stat_result, stamps: Sequence[int] | None) -> bool:
    """The file that was `seen` is the one that had these stamps."""
    return stamps is not None and any(now == then for now, then in zip(_stamps(seen), stamps, strict=False))


def _latest_s(seen: os.stat_result) -> float:
    """Tell the latest time at which the file was written: file systems stamp by ticks, some in seconds."""
    stamp_ns = min(_stamps(seen))
    return stamp_ns / 1e9 + (_WHOLE_SECONDS_S if stamp_ns % 10**9 == 0 else _KERNEL_TICK_S)


def answered_tasks(tree: Tree, status: AgentSnapshot) -> frozenset[str]:
    """Find the tasks of an agent, given its snapshot, whose open question has an answer."""
    return frozenset(
        question["task"]
        for question in status.get("questions") or ()
        if answer_of(tree, question) is not None
    )
