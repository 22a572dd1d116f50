"""Says what command lines are told when their session goes on, and by which names they are known. Pure.

Every message has an identity that follows from what it says, not from when it is sent: so a message that may
have arrived is known again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, UUID, uuid5

from maos_sup.agents.kinds.shared.marked import escape, quoteattr
from state_layout.files import codec

if TYPE_CHECKING:
    from maos_sup.agents.kinds.shared.entries import ProgramEntry

_MOST_CHARS = 4_000
GO_ON = "Your process was stopped and started again. Go on with your task where you were."
TAKEN_BACK = """\
The whole team was taken back to this moment. What you remember is all that counts; what was done after it \
is void, but files may still be as it left them. Look before you go on with your task where you are."""
INTERRUPTED = "interrupted, outcome unknown: it was running when the process died and was not run again"
FINISHED = "it had finished before the process died; this is its result"


def session_id(orchestration: str, agent: str, task: str, run: int) -> str:
    """Make the id of the session in which a run of a task is done."""
    return str(uuid5(NAMESPACE_URL, codec.encode([orchestration, agent, task, run]).decode()))


def message_uuid(session: str, what: str) -> str:
    """Make the identity of a message of `session`."""
    return str(uuid5(UUID(session), what))


def going_on(interrupted: Iterable[ProgramEntry], finished: Iterable[ProgramEntry]) -> str:
    """Make what a session is told when it goes on after its process ended in the middle."""
    return "\n\n".join([GO_ON, *calls(interrupted, finished)])


def calls(interrupted: Iterable[ProgramEntry], finished: Iterable[ProgramEntry]) -> list[str]:
    """Write each call as a session is told of it that does not know how it ended."""
    told = [_call(entry, INTERRUPTED) for entry in interrupted]
    return told + [_call(entry, FINISHED, content=entry.get("content")) for entry in finished]


def _call(entry: ProgramEntry, what: str, *, content: str | None = None) -> str:
    shown = _cut(codec.encode(entry.get("input")).decode())
    result = "" if content is None else f"\n<result>\n{escape(_cut(content))}\n</result>"
    id_, name = str(entry.get("program_id") or entry["id"]), str(entry.get("name"))
    head = f"<call id={quoteattr(id_)} name={quoteattr(name)}>"
    return f"{head}\n{escape(shown)}\n</call>\n{what}{result}"


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}[...]"
