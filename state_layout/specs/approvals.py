"""Questions that agents ask and the files by which people answer them (`spec/approvals/`).

A question's id contains a hash of exactly what is asked, so an answer never fits another question; a file
older than the question is none; `.no` wins over `.yes`. `touch` is enough.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from state_layout.files import atomic, codec
from state_layout.paths import Tree

_LONGEST_ANSWER_BYTES = 1 << 16
_KERNEL_TICK_S, _WHOLE_SECONDS_S = 0.02, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a person said; `text` is the file's content, often empty."""

    is_yes: bool
    text: str


def question_id(agent: str, task: str, run: int, text: str) -> str:
    """The id of a question: the agent's name and a hash over everything that makes it this question."""
    exact = codec.encode([agent, task, run, text])
    return f"{agent}-{sha256(exact).hexdigest()[:12]}"


def answer_to(tree: Tree, question: str, *, asked_at: str) -> Answer | None:
    """The answer to `question`, asked at `asked_at` (as in records), or None while there is none."""
    asked_s = datetime.fromisoformat(asked_at).timestamp()
    for suffix in ("no", "yes"):
        path = tree.approvals / f"{question}.{suffix}"
        try:
            with atomic.opened(path, os.O_RDONLY) as descriptor:
                if _latest_s(os.fstat(descriptor)) < asked_s:
                    continue
                text = os.read(descriptor, _LONGEST_ANSWER_BYTES).decode("utf-8", "replace").strip()
        except OSError:
            continue
        return Answer(is_yes=suffix == "yes", text=text)
    return None


def _latest_s(found: os.stat_result) -> float:
    """When `path` was written, at the latest: file systems stamp by a clock that ticks, some in seconds."""
    stamp_ns = found.st_mtime_ns
    return stamp_ns / 1e9 + (_WHOLE_SECONDS_S if stamp_ns % 10**9 == 0 else _KERNEL_TICK_S)


def answered_tasks(tree: Tree, status: dict[str, Any]) -> frozenset[str]:
    """The tasks of an agent, given its snapshot, whose open question has an answer."""
    return frozenset(
        question["task"]
        for question in status.get("questions") or ()
        if answer_to(tree, question["id"], asked_at=question["at"]) is not None
    )
