"""The one reader of trees for projections: status, lives, windows of journals, cuts, results, output.

Each look costs what changed since the last one: attempts that have ended are read once, of journals only the
window that is asked for. Nothing here is verified against its hash, and nothing is written. What is read
passes `redact` before anything of it is shortened, or half a secret would pass.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maos_sup.cuts import store
from maos_sup.cuts.record import TeamCut
from maos_sup.projection.journal_lines import (
    JournalLine,
    Piece,
    batches_from,
    decoded,
    first_line,
    last_line_of,
    lines_from,
    piece_of,
    text_of,
)
from maos_sup.projection.lives import LifeSpan, judged, life_of
from maos_sup.views.files import read_object
from maos_sup.views.kept import values_of
from maos_sup.views.mailbox import Mailbox
from maos_sup.views.records import results_of
from maos_sup.views.status import Watcher
from state_layout.errors import LayoutError
from state_layout.files import atomic, codec
from state_layout.files.looking import is_dir, is_regular
from state_layout.lives.numbers import readable_numbers
from state_layout.mail.boxes import ALL, OPERATOR, MailFile, files_of
from state_layout.paths import Tree
from state_layout.scopes.names import AGENT, CUSTOM, ORCHESTRATION, Scope

if TYPE_CHECKING:
    from maos_sup.views.shapes import MessageShown, Status

Redact = Callable[[Any], Any]  # takes a value as JSON has them, gives it without secrets
_LONGEST_SECRET = 4096  # bytes
_MOST_OWN_BYTES = 4_000_000  # of journals that are read for an agent's own values


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentKeeps:
    """An agent put the value under a key; `scope` is as `state list` takes it."""

    scope: str
    key: str
    value: Any
    at: str


class Reading:
    """Looks at one tree again and again; what comes out of it is without the secrets that `redact` knows."""

    def __init__(self, tree: Tree, *, redact: Redact = lambda value: value) -> None:
        self.tree, self._redact = tree, redact
        self._watcher = Watcher(tree)
        self._ended: dict[tuple[str, int], LifeSpan] = {}
        self._cuts: dict[int, TeamCut] = {}
        self._begun_s: float | None = None

    def status(self) -> Status:
        """As `status --json` prints it. Raises BadInput or NotATree where there is no good spec at all."""
        status: Status = self._redact(self._watcher.status())
        return status

    def lives(self, agent: str) -> list[LifeSpan]:
        """The attempts of `agent`, oldest first; ones that never came to a line have no `begun_s`."""
        paths = self.tree.agent(agent)
        found = []
        for number in readable_numbers(paths.attempts):
            life = self._ended.get((agent, number))
            if life is None:
                raw = first_line(paths.attempt(number).journal)
                line = None if raw is None else decoded(raw, agent=agent, attempt=number)
                life = life_of(
                    number, None if line is None else line.fields, read_object(paths.attempt(number).exit)
                )
                if life.ended_s is not None:
                    self._ended[agent, number] = life
            found.append(life)
        return judged(found)

    def begun_s(self) -> float | None:
        """Tell when the first supervisor began, in seconds since the epoch; None if none ever did."""
        if self._begun_s is None:
            first = next(iter(readable_numbers(self.tree.lives)), None)
            raw = None if first is None else first_line(self.tree.life_journal(first))
            line = None if raw is None else decoded(raw, agent="", attempt=0)
            self._begun_s = None if line is None else line.at_s
        return self._begun_s

    def last_word_s(self, agent: str, attempt: int) -> float | None:
        """Read the time of the last whole line of an attempt."""
        raw = last_line_of(self.tree.agent(agent).attempt(attempt).journal)
        line = None if raw is None else decoded(raw, agent=agent, attempt=attempt)
        return None if line is None else line.at_s

    def piece(self, agent: str, attempt: int, *, since_s: float, until_s: float, most_bytes: int) -> Piece:
        """Read the lines of one attempt in a window of time, raw; of many the last ones."""
        path = self.tree.agent(agent).attempt(attempt).journal
        return piece_of(path, since=text_of(since_s), until=text_of(until_s), most_bytes=most_bytes)

    def redacted(self, text: str | None) -> str | None:
        """Take secrets out of `text`."""
        return None if text is None else str(self._redact(text))

    def line(self, raw: bytes, *, agent: str, life: LifeSpan) -> JournalLine | None:
        """Make a value of the line `raw` of the journal of `life`; None for what is no line."""
        line = decoded(raw, agent=agent, attempt=life.attempt, void_above=life.void_above)
        return None if line is None else replace(line, fields=self._redact(line.fields))

    def journal_size(self, agent: str, attempt: int) -> int:
        """Count the bytes of the journal of an attempt; 0 where there is none."""
        return _size(self.tree.agent(agent).attempt(attempt).journal)

    def lines_after(
        self,
        agent: str,
        life: LifeSpan,
        offset: int,
        *,
        wants: Callable[[bytes], bool],
        until: int = sys.maxsize,
    ) -> Iterator[tuple[list[JournalLine], int]]:
        """Yield lines of `life` from `offset` to `until` that `wants` takes, raw, some at a time, and the
        offset behind them; what is damaged is passed over.
        """
        path = self.tree.agent(agent).attempt(life.attempt).journal
        for raws, behind in batches_from(path, offset, until):
            found = (self.line(raw, agent=agent, life=life) for raw in raws if wants(raw))
            yield [line for line in found if line is not None], behind

    def costly_lines(self, agent: str, attempt: int, *, after: int) -> Iterator[tuple[list[bytes], int]]:
        """Yield lines of an attempt after the offset `after` that tell of money, raw, and the one behind."""
        path = self.tree.agent(agent).attempt(attempt).journal
        for raws, offset in batches_from(path, after):
            yield [*filter(_is_costly, raws)], offset

    def spec_of_agent(self, agent: str) -> Mapping[str, Any]:
        """The spec of an agent as its file says it; empty where it cannot be read."""
        return read_object(self.tree.agent_spec(agent)) or {}

    def cuts(self) -> list[TeamCut]:
        """All checkpoints that can be read, lowest number first; what was read before is not read again."""
        found = []
        try:
            present = store.numbers(self.tree)
        except LayoutError:
            return []
        for number in present:
            try:
                found.append(self._cuts.setdefault(number, store.read(self.tree, number)))
            except LayoutError:
                continue  # `check` names it
        return found

    def results(self) -> Mapping[str, Any]:
        """The result of each task that has one. Reads all journals."""
        found: Mapping[str, Any] = self._redact(results_of(self.tree))
        return found

    def messages(self, *, newest: int, agent: str | None = None) -> list[MessageShown]:
        """Read the newest messages, oldest first; of or to `agent`, if one is given."""
        try:
            found = Mailbox(self.tree, newest=newest, to=agent).read()
            if agent is not None:
                sent = Mailbox(self.tree, newest=newest, sender=agent).read()
                found = sorted([*found, *sent], key=lambda message: str(message["at"]))[-newest:]
        except LayoutError:
            return []
        told: list[MessageShown] = self._redact(found)
        return told

    def kept(self, agent: str, *, most: int) -> list[AgentKeeps]:
        """The values in force that `agent` keeps, in scopes of this tree that it shares, then in its own.

        Of its own, which its journals have, none where these are long. What cannot be read is left out.
        """
        paths, found = self.tree.agent(agent), list[AgentKeeps]()
        own = sum(_size(paths.attempt(number).journal) for number in readable_numbers(paths.attempts))
        scopes = [*self._shared_scopes(), *([Scope(AGENT, agent)] if own <= _MOST_OWN_BYTES else [])]
        for scope in scopes:
            try:
                told = values_of(self.tree, scope)
            except LayoutError:
                continue
            found += [
                AgentKeeps(scope=str(scope), key=one["key"], value=one["value"], at=one["at"])
                for one in told
                if one["version"][0] == agent
            ]
        cleaned: list[AgentKeeps] = [
            replace(one, key=str(self._redact(one.key)), value=shown_json(self._redact(one.value)))
            for one in found[:most]
        ]
        return cleaned

    def _shared_scopes(self) -> list[Scope]:
        """Those of this tree that somebody has written in."""
        try:
            customs = sorted(path.name for path in self.tree.state_scope(CUSTOM).iterdir() if is_dir(path))
        except OSError:
            customs = []
        has_whole = is_dir(self.tree.state_scope(ORCHESTRATION))
        return [*([Scope(ORCHESTRATION)] if has_whole else []), *(Scope(CUSTOM, name) for name in customs)]

    def unread(self, agent: str) -> int:
        """Count the messages that wait for `agent`, by its last snapshot; numbers left out count, too."""
        marks = (read_object(self.tree.agent(agent).status) or {}).get("marks")
        known = marks if isinstance(marks, dict) else {}
        count = 0
        try:
            for box in (agent, ALL):
                for file in files_of(self.tree, box):
                    mark = known.get(f"{box}/{file.sender}", 0)
                    if file.sender != agent and isinstance(mark, int):
                        count += max(0, _last_number_in(file) - mark)
        except LayoutError:
            return count  # what can be read counts
        return count

    def artifact(self, agent: str, name: str, *, most_bytes: int) -> str | None:
        """Read the beginning of an artifact; None for one that is no text, or no file of that agent's
        folder."""
        folder = self.tree.agent(agent).artifacts
        path = folder / name
        try:
            if not path.resolve(strict=True).is_relative_to(folder.resolve()) or not is_regular(path):
                return None
            data = read_some(path, most_bytes=most_bytes + _LONGEST_SECRET)
            text = data.decode() if len(data) <= most_bytes else data.decode("utf-8", "ignore")
        except (OSError, ValueError):
            return None
        whole = str(self._redact(text))
        return whole if len(data) <= most_bytes else whole[:most_bytes] + "\n[... more is left out]"

    def output_tail(self, agent: str, attempt: int, *, most_bytes: int) -> list[tuple[str, str]]:
        """The last lines that an attempt wrote, by stream (`stdout`, `stderr`)."""
        paths = self.tree.agent(agent).attempt(attempt)
        return [
            (stream, line)
            for stream, path in (("stdout", paths.stdout), ("stderr", paths.stderr))
            for line in str(self._redact(_tail(path, most_bytes))).splitlines()
        ]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _is_costly(raw: bytes) -> bool:
    return (
        b'"tokens"' in raw or b'"cost_usd"' in raw or b'"type":"begun"' in raw or b'"cost":"unknown"' in raw
    )  # spelled out: a loop over the words takes three times as long, of a million lines


def _last_number_in(file: MailFile) -> int:
    """Find the number of the last message in a mail file; of what people wrote, how many lines there are."""
    if file.sender == OPERATOR:
        return sum(1 for raw in lines_from(file.path, 0) if raw.strip())
    raw = last_line_of(file.path)
    line = None if raw is None else decoded(raw, agent=file.sender, attempt=0)
    return 0 if line is None else line.seq


def read_some(path: Path, *, most_bytes: int) -> bytes:
    """Read the first `most_bytes` of `path`. Raises OSError."""
    with atomic.opened(path, os.O_RDONLY) as descriptor:
        return os.pread(descriptor, most_bytes, 0)


def shown_json(value: Any) -> str:
    """Show `value` as one line of JSON; a text as it is."""
    return value if isinstance(value, str) else codec.encode(value).decode()


def _tail(path: Path, most_bytes: int) -> str:
    """Read the last whole lines of `path`."""
    try:
        with atomic.opened(path, os.O_RDONLY) as descriptor:
            size = os.fstat(descriptor).st_size
            data = os.pread(descriptor, most_bytes, max(0, size - most_bytes))
    except OSError:
        return ""
    text = data.decode("utf-8", "replace")
    return text if size <= most_bytes else text.partition("\n")[2]
