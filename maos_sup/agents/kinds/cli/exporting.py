"""Says where a session goes on after its agent was taken back, for programs that export sessions and
import them.

The document that the program itself writes is cut after the last result that is on record, given ids of its
own and handed back to the program, which takes it for another session. The one of the other future stays.
What does not fit what is on record is no guess: then a new session is told it. The program runs as ever: with
its environment, confined as it is.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TypedDict

from maos_sup.agents.kinds.cli.profile import Profile
from maos_sup.agents.kinds.cli.starting import Start
from maos_sup.agents.kinds.shared.memory import RunMemory
from maos_sup.agents.work import Work
from state_layout.errors import storage_error
from state_layout.files import atomic, codec
from state_layout.files.reading import Unreadable, read_regular

_MOST_BYTES = 256_000_000  # of a session
_PATIENCE_S = 600.0  # for a program that takes seconds of a quiet machine to start
_ID = re.compile(rb'"(ses|msg|prt)_([0-9a-f]{12})([0-9A-Za-z]{14})"')  # a time that rises, and chance


class ExportedPart(TypedDict, total=False):
    """A part of a message is text, a call (`tool`) or something else."""

    type: str
    callID: str


class ExportedInfo(TypedDict):
    """The exported info says whose message it is."""

    role: str


class ExportedMessage(TypedDict):
    """The message is one of the document that a program exports."""

    info: ExportedInfo
    parts: list[ExportedPart]


def imported_branch(
    work: Work, start: Start, profile: Profile, memory: RunMemory, *, salt: str
) -> str | None:
    """Make a session of what counts of the one of `memory`; its name, or None. Raises StorageError.

    `salt` makes its ids others than those of any other branch.
    """
    if not (profile.export_argv and profile.import_argv and memory.session and memory.said):
        return None
    path = work.life.paths.session / "branch.json"
    try:
        names = {"{session}": memory.session, "{file}": str(path)}
        if not _ran(work, start, [names.get(part, part) for part in profile.export_argv], to=path):
            return None
        branch = cut_document(read_regular(path, most_bytes=_MOST_BYTES)[0], memory.said)
        if branch is None:
            return None
        data = with_other_ids(branch, salt=salt)
        atomic.refresh(path, data)
        argv = [names.get(part, part) for part in profile.import_argv]
        return str(codec.decode_object(data)["info"]["id"]) if _ran(work, start, argv, to=None) else None
    except (Unreadable, FileNotFoundError):
        return None
    finally:
        path.unlink(missing_ok=True)


def cut_document(data: bytes, said: Sequence[tuple[str, str]]) -> bytes | None:
    """Cut the document `data` to what is `said` on record; None where they do not fit."""
    wanted = {id_ for what, id_ in said if what == "result"}
    answers = sum(what == "text" for what, _ in said)
    try:
        document = codec.decode_object(data)
        kept = _kept(document["messages"], wanted, answers)
        if kept is None:
            return None
        return codec.encode({**document, "messages": kept})
    except (codec.NotJson, KeyError, TypeError, AttributeError):
        return None


def _kept(messages: list[ExportedMessage], wanted: set[str], answers: int) -> list[ExportedMessage] | None:
    """Keep the first of `messages`, the last of them cut, that have all results `wanted` and no other."""
    taken, texts, count = set[str](), 0, 0
    last: ExportedMessage | None = None
    for number, message in enumerate(messages):
        known = _known_parts(message["parts"], wanted)
        taken |= {part["callID"] for part in known if part["type"] == "tool"}
        texts += any(part["type"] == "text" for part in known) and message["info"]["role"] == "assistant"
        is_answer = taken == wanted and texts <= answers and message["info"]["role"] == "assistant"
        if any(part["type"] == "tool" for part in known) or (
            is_answer and len(known) == len(message["parts"])
        ):
            count, last = number + 1, {**message, "parts": known}
        if len(known) < len(message["parts"]):
            break  # what follows is on no record
    if last is None or taken != wanted:
        return None
    return [*messages[: count - 1], last]


def _known_parts(parts: list[ExportedPart], wanted: set[str]) -> list[ExportedPart]:
    """Keep those before the first call whose result is not on record."""
    for number, part in enumerate(parts):
        if part["type"] == "tool" and part["callID"] not in wanted:
            return parts[:number]
    return parts


def with_other_ids(data: bytes, *, salt: str) -> bytes:
    """Exchange the random part of every id in `data`: the ids sort as before and are nobody's."""

    def other(found: re.Match[bytes]) -> bytes:
        chance = sha256(salt.encode() + found[0]).hexdigest()[:14].encode()
        return b'"%b_%b%b"' % (found[1], found[2], chance)

    return _ID.sub(other, data)


def _ran(work: Work, start: Start, argv: Sequence[str], *, to: Path | None) -> bool:
    """Run the program to its end, its output into the file `to`; whether it said that it went well."""
    try:
        with (
            start.sandbox.launch(argv, _environment(start.environment)) as launch,
            (to or Path("/dev/null")).open("wb") as output,
        ):
            done = subprocess.run(
                launch.argv,
                env=launch.environment,
                pass_fds=launch.descriptors,
                cwd=work.folder(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.DEVNULL,
                timeout=_PATIENCE_S,
                check=False,
            )
    except subprocess.TimeoutExpired:
        return False
    except OSError as cause:
        raise storage_error("run", Path(argv[0]), cause) from cause
    return done.returncode == 0


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in given.items() if name != "PWD"}
