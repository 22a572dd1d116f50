"""Says what is on record of a run, told to a session that begins in place of one that cannot go on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from maos_sup.agents.kinds.shared.marked import escape, quoteattr
from state_layout.files import codec
from state_layout.lives.attempts import all_lines
from state_layout.lives.history import Mark
from state_layout.mail import Inbox
from state_layout.paths import Tree
from state_layout.records import Message, TaskSpec

if TYPE_CHECKING:
    from maos_sup.agents.kinds.shared.entries import ProgramEntry

_MOST_CHARS, _MOST_PART_CHARS = 60_000, 4_000
_MOST_MESSAGES = 30
_HEAD = (
    "The session in which you worked on this task could not go on here. This is what is on record of it, the "
    "oldest first: your answers, what you ran, and what came of it. It was done: do not do it again, go on."
)

_LOST = "The session in which you worked on this task could not go on here, and nothing of it is on record."
_MISSING = (
    "A call that was under way when it ended may be missing: look whether its work is done already before "
    "you do it again."
)


def recall_story(tree: Tree, agent: str, task: TaskSpec, *, misses_calls: bool = False) -> str:
    """The answers, calls and results of this run, the newest of them; empty if there are none.

    `misses_calls`: the program tells a call when it ends, so one that was interrupted is on no record.
    Raises Damaged, StorageError.
    """
    entries: Iterator[ProgramEntry] = (line.fields() for line in all_lines(tree, agent))
    own = (entry for entry in entries if (entry.get("task"), entry.get("run", 1)) == (task.id, task.run))
    return story(own, misses_calls=misses_calls)


def messages_before(tree: Tree, agent: str, marks: dict[str, Mark]) -> list[Message]:
    """List the newest messages that count as told by `marks`: a session that begins was told none of them.

    Raises StorageError.
    """
    whole, rest = Inbox(tree, agent, marks={}), Inbox(tree, agent, marks=marks)
    try:
        unread = {message.id for message in rest.fetch(None)[0]}
        return [message for message in whole.fetch(None)[0] if message.id not in unread][-_MOST_MESSAGES:]
    finally:
        whole.close()
        rest.close()


def story(entries: Iterable[ProgramEntry], *, misses_calls: bool) -> str:
    """Tell the same from journal entries of a run. Pure."""
    parts: list[str] = []
    for entry in entries:
        part = _part(entry)
        if part:
            parts.append(part)
    more = [_MISSING] if misses_calls else []
    if not parts:
        return " ".join([_LOST, *more]) if more else ""
    kept: list[str] = []
    for part in reversed(parts):
        if sum(map(len, kept)) + len(part) > _MOST_CHARS:
            kept.append(f"[... {len(parts) - len(kept)} older ones left out ...]")
            break
        kept.append(part)
    return "\n\n".join([" ".join([_HEAD, *more]), "<record>", *reversed(kept), "</record>"])


def _part(entry: ProgramEntry) -> str:
    if entry["type"] == "turn" and not entry.get("is_aside"):
        text = (entry.get("text") or "").strip()
        return f"<answer>\n{escape(_cut(text))}\n</answer>" if text else ""
    if entry["type"] == "tool_call":
        name, told = quoteattr(str(entry.get("name"))), codec.encode(entry.get("input")).decode()
        return f"<call name={name}>\n{escape(_cut(told))}\n</call>"
    if entry["type"] == "tool_result":
        told = entry.get("content") or ""
        told = told if isinstance(told, str) else codec.encode(told).decode()
        return f"<result>\n{escape(_cut(told))}\n</result>"
    return ""


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_PART_CHARS else f"{text[:_MOST_PART_CHARS]}[...]"
