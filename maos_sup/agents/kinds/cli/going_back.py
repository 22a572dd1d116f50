"""Says where a command line's session goes on after its agent was taken back: a copy of its file up to there.

For programs that only append to the file of a session. What it held at a moment is its first lines; of these
a new file is made under a name of its own, and the one of the other future stays as it is, for a `redo`. A
profile says which records are answers and results (`back_parser`); what does not fit is no guess: then there
is no branch, and a new session is told what is on record. A fork finds its own session in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maos_sup.agents.kinds.cli.parser import Meaning, meanings
from maos_sup.agents.kinds.cli.profile import Profile
from maos_sup.agents.kinds.shared.memory import RunMemory
from state_layout.files import atomic, codec
from state_layout.files.reading import Unreadable, read_regular

_MOST_BYTES = 256_000_000  # of a session that is copied
_SHORT = 8  # letters of a session's name that some files are called by


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """The first bytes `data` of the session file `source` are what counts."""

    source: Path
    data: bytes
    used: Mapping[str, int] = field(default_factory=dict)  # tokens, as told last in it


def find_branch(home: Path | None, memory: RunMemory, profile: Profile) -> Branch | None:
    """Find how much of the file of `memory`'s session counts; None where nothing of it does, or unclear."""
    if home is None or not profile.back_files or not memory.session or not memory.said:
        return None
    for path in sorted(home.glob(profile.back_files)):
        try:
            data = read_regular(path, most_bytes=_MOST_BYTES)[0]
        except (OSError, Unreadable):
            continue
        if memory.session.encode() in data.partition(b"\n")[0]:
            return _Search(memory, profile).branch(path, data)
    return None


def copy_branch(branch: Branch, *, session: str, to: str) -> None:
    """Make the session `to` of `branch`, which is of `session`, durably. Raises StorageError."""
    name, data = branch.source.name, branch.data.replace(session.encode(), to.encode())
    for old, new in ((session, to), (session[:_SHORT], to[:_SHORT])):
        if old in name:
            atomic.replace(branch.source.with_name(name.replace(old, new)), data)
            return
    atomic.replace(branch.source.with_name(f"{to}{branch.source.suffix}"), data)


class _Search:
    """Reads a session's records up to the last one that the journal knows of."""

    def __init__(self, memory: RunMemory, profile: Profile) -> None:
        self._rules = profile.back_parser
        self._wanted = {id_ for what, id_ in memory.said if what == "result"}
        self._texts = sum(what == "text" for what, _ in memory.said)
        self._results = sum(what == "result" for what, _ in memory.said)
        self._taken, self._seen = dict[str, None](), set[str]()  # ids of results, of answers
        self._size = 0

    def branch(self, path: Path, data: bytes) -> Branch | None:
        found = [*_meanings(data, self._rules)]
        has_ids = any(
            self._wanted.intersection(_ids(each)) for _, each in found if each.what == "tool_result"
        )
        for end, meaning in found:
            if not self._take(end, meaning, has_ids=has_ids):
                break
        told = [each.usage for end, each in found if each.what == "usage" and end <= self._size]
        if not self._size or len(self._taken) != self._results:
            return None
        return Branch(source=path, data=data[: self._size], used=told[-1] if told else {})

    def _take(self, end: int, meaning: Meaning, *, has_ids: bool) -> bool:
        """Take one record; false where what the journal knows of ends before it."""
        if meaning.what == "tool_result":
            ids = _ids(meaning)
            is_known = (
                self._wanted.issuperset(ids) if has_ids else len(self._taken) + len(ids) <= self._results
            )
            if not is_known:
                return False
            self._taken |= dict.fromkeys(ids)
            self._size = end
        elif meaning.what == "result" and self._taken.keys() >= {*_ids(meaning)}:
            self._size = end  # the conversation has the result as well
        elif meaning.what == "text" and meaning.text("id") not in self._seen:
            self._seen.add(meaning.text("id"))
            if len(self._taken) == self._results and len(self._seen) <= self._texts:
                self._size = end
        return True


def _ids(meaning: Meaning) -> list[str]:
    """The ids of calls in a record, which may have the results of several."""
    value = meaning.values.get("id")
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _meanings(data: bytes, rules: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Meaning]]:
    """Yield what the whole records of `data` mean, each with the offset after it."""
    end = 0
    for line in data.splitlines(keepends=True):
        end += len(line)
        try:
            value = codec.decode(line) if line.endswith(b"\n") else None
        except codec.NotJson:
            continue
        if isinstance(value, dict):
            for meaning in meanings(value, rules):
                yield end, meaning
