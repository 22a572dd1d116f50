"""Says what `check` can find: every finding with its weight, its remedy and whether `repair` mends it.

A note is a legal state (FORMAT.md, "Legal states after a crash") or something that goes away by itself; a
problem needs a person. Every problem has a remedy after which it is gone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import NamedTuple


class Severity(StrEnum):
    """The severity says how much a finding matters; only problems make a tree damaged."""

    PROBLEM = "problem"
    ACCEPTED = "accepted"  # a problem that somebody stands by
    NOTE = "note"


class Finding(StrEnum):
    """A finding says what was found, as one word for programs."""

    # the tree as files
    BAD_FORMAT = "bad_format"
    UNLISTED = "unlisted"
    TEMPORARY = "temporary"
    READABLE_BY_OTHERS = "readable_by_others"
    NOT_A_FILE = "not_a_file"
    UNREADABLE = "unreadable"
    SPEC = "spec"
    SPEC_MISSING = "spec_missing"
    KIND_UNKNOWN = "kind_unknown"
    NOT_EXECUTABLE = "not_executable"
    FILE_MISSING = "file_missing"
    # chained files
    TORN = "torn"
    ZEROS = "zeros"
    EDITED = "edited"
    INSERTED = "inserted"
    LINES_MISSING = "lines_missing"
    LINE_ENDS = "line_ends"
    CORRUPT = "corrupt"
    CUT_SHORT = "cut_short"
    BAD_RECORD = "bad_record"
    LOST_CHANGE = "lost_change"
    AFTER_END = "after_end"
    ROLLED_BACK = "rolled_back"
    OTHER_SEEN = "other_seen"
    # lives
    VOID = "void"
    PIN_BROKEN = "pin_broken"
    ATTEMPT_MISSING = "attempt_missing"
    LIVES_MISSING = "lives_missing"
    CHECKPOINT_BAD = "checkpoint_bad"
    CHECKPOINT_AHEAD = "checkpoint_ahead"
    EXIT_MISSING = "exit_missing"
    EXIT_BAD = "exit_bad"
    SNAPSHOT_BAD = "snapshot_bad"
    RESTORED_BAD = "restored_bad"
    CONTENTS_LOST = "contents_lost"
    MOMENT_LOST = "moment_lost"
    SESSION_GAP = "session_gap"
    # mail
    UNKNOWN_AGENT = "unknown_agent"
    PENDING = "pending"
    MAIL_GAP = "mail_gap"
    UNJOURNALED = "unjournaled"
    MARK_AHEAD = "mark_ahead"
    MARK_ASTRAY = "mark_astray"
    BAD_LINE = "bad_line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem is one finding. `path` is relative to the tree, `line` counts from 1."""

    finding: Finding
    path: str
    line: int | None
    what: str
    remedy: str
    severity: Severity
    is_repairable: bool

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        text = f"{where}: {self.what}; {self.remedy}"
        return text if text.isprintable() else "".join(map(_printable, text))  # names may hold anything

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def _printable(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


class FindingEntry(NamedTuple):
    """The entry holds what is said of every finding of one sort, unless its finder knows better."""

    severity: Severity
    remedy: str
    is_repairable: bool = False


_PROBLEM, _NOTE = Severity.PROBLEM, Severity.NOTE
_FROM_A_COPY = "restore the file from a copy"
_UNDO = "undo the edit, or " + _FROM_A_COPY

CATALOGUE: dict[Finding, FindingEntry] = {
    Finding.BAD_FORMAT: FindingEntry(_PROBLEM, "if everything else is there: echo 'maos-sup 1' > FORMAT"),
    Finding.UNLISTED: FindingEntry(_NOTE, "nothing reads it; remove it if you do not need it"),
    Finding.TEMPORARY: FindingEntry(_NOTE, "nothing reads it; --repair removes it", True),
    Finding.READABLE_BY_OTHERS: FindingEntry(_NOTE, "chmod -R go= on the tree, or --repair", True),
    Finding.NOT_A_FILE: FindingEntry(_PROBLEM, "put the file or folder itself there"),
    Finding.UNREADABLE: FindingEntry(_PROBLEM, "change its owner or mode, or restore it from a copy"),
    Finding.SPEC: FindingEntry(_PROBLEM, "edit it; until then the last good version stays in force"),
    Finding.SPEC_MISSING: FindingEntry(
        _PROBLEM, "write it again, or --repair puts the last good version back; to end it edit 'want'", True
    ),
    Finding.KIND_UNKNOWN: FindingEntry(_NOTE, "install what it needs here, or its agents cannot work here"),
    Finding.NOT_EXECUTABLE: FindingEntry(_PROBLEM, "chmod +x on it"),
    Finding.FILE_MISSING: FindingEntry(_PROBLEM, "put it back, or name another one in the agent's spec"),
    Finding.TORN: FindingEntry(
        _NOTE, "never acknowledged, nothing is lost; the next writer sets it aside", True
    ),
    Finding.ZEROS: FindingEntry(
        _NOTE, "never acknowledged, nothing is lost; the next writer sets it aside", True
    ),
    Finding.EDITED: FindingEntry(_PROBLEM, _UNDO),
    Finding.INSERTED: FindingEntry(_PROBLEM, "remove that line, all others are as they were written"),
    Finding.LINES_MISSING: FindingEntry(_PROBLEM, "put them back, or " + _FROM_A_COPY),
    Finding.LINE_ENDS: FindingEntry(
        _PROBLEM, "turn CR LF back into LF (sed -i 's/\\r$//'), nothing else changed"
    ),
    Finding.CORRUPT: FindingEntry(_PROBLEM, _FROM_A_COPY),
    Finding.CUT_SHORT: FindingEntry(_PROBLEM, _FROM_A_COPY + "; otherwise what came after is done again"),
    Finding.AFTER_END: FindingEntry(_PROBLEM, "its writer had ended: remove those lines, or " + _FROM_A_COPY),
    Finding.ROLLED_BACK: FindingEntry(
        _PROBLEM, "restore the newer state; if this one is meant: check --accept"
    ),
    Finding.OTHER_SEEN: FindingEntry(_NOTE, "if that one was removed: the next supervisor here is seen anew"),
    Finding.BAD_RECORD: FindingEntry(
        _PROBLEM, "whatever wrote it does not keep to FORMAT.md; " + _FROM_A_COPY
    ),
    Finding.LOST_CHANGE: FindingEntry(
        _PROBLEM, "see both: maos-sup state history; then put what it should be (maos-sup state put)"
    ),
    Finding.VOID: FindingEntry(_NOTE, "nobody reads them"),
    Finding.PIN_BROKEN: FindingEntry(_PROBLEM, "restore both files from one copy"),
    Finding.ATTEMPT_MISSING: FindingEntry(_PROBLEM, "restore its folder from a copy"),
    Finding.LIVES_MISSING: FindingEntry(
        _PROBLEM, "restore supervisor/ from a copy; otherwise resume begins anew, agents keep what they did"
    ),
    Finding.CHECKPOINT_BAD: FindingEntry(_NOTE, "it is ignored, the other slot or the journals serve", True),
    Finding.CHECKPOINT_AHEAD: FindingEntry(
        _PROBLEM, "restore the journal from a copy; otherwise it is ignored and work is done again", True
    ),
    Finding.EXIT_MISSING: FindingEntry(
        _NOTE, "it died without a word; who comes next seals it as lost", True
    ),
    Finding.EXIT_BAD: FindingEntry(
        _PROBLEM, "it counts as lost; --repair sets it aside and seals it so", True
    ),
    Finding.SNAPSHOT_BAD: FindingEntry(_NOTE, "its writer makes it anew; --repair sets it aside", True),
    Finding.RESTORED_BAD: FindingEntry(
        _PROBLEM, "remove it and run/host.json: the next resume makes it anew"
    ),
    Finding.CONTENTS_LOST: FindingEntry(
        _PROBLEM, _FROM_A_COPY + ", with workspaces.git; otherwise remove this snapshot, later ones stay"
    ),
    Finding.MOMENT_LOST: FindingEntry(
        _PROBLEM, _FROM_A_COPY + "; otherwise that moment cannot be gone back to, work goes on all the same"
    ),
    Finding.SESSION_GAP: FindingEntry(
        _PROBLEM, _FROM_A_COPY + "; otherwise its task is told again when the session goes on"
    ),
    Finding.UNKNOWN_AGENT: FindingEntry(_PROBLEM, "correct the name, or remove it"),
    Finding.PENDING: FindingEntry(_NOTE, "its sender appends them when it starts"),
    Finding.MAIL_GAP: FindingEntry(_PROBLEM, _FROM_A_COPY + "; the sender's journal still has them"),
    Finding.UNJOURNALED: FindingEntry(_PROBLEM, "restore the sender's journals and this file from one copy"),
    Finding.MARK_AHEAD: FindingEntry(
        _PROBLEM, "restore it from a copy, or remove run/host.json: the next resume keeps numbers apart"
    ),
    Finding.MARK_ASTRAY: FindingEntry(_NOTE, "it goes on after what it has read"),
    Finding.BAD_LINE: FindingEntry(_NOTE, 'it is skipped; write it again as {"text": "..."}'),
}

# What people wrote or copied, not what was recorded.
_OF_PEOPLE = frozenset({Finding.SPEC, Finding.SPEC_MISSING, Finding.NOT_EXECUTABLE, Finding.FILE_MISSING})
_IN_THE_WAY = frozenset({Finding.NOT_A_FILE, Finding.UNREADABLE})  # in `spec/` people put it there


def is_of_people(problem: Problem) -> bool:
    """The problem is a mistake of people, who can mend it: nothing that was recorded is damaged."""
    is_in_spec = PurePosixPath(problem.path).parts[:1] == ("spec",) and problem.path != "spec/accepted.jsonl"
    return problem.finding in _OF_PEOPLE or (problem.finding in _IN_THE_WAY and is_in_spec)


def as_note(finding: Finding, remedy: str | None = None) -> FindingEntry:
    """Make the entry of `finding` where it is harmless: nothing needs to be mended."""
    entry = CATALOGUE[finding]
    return FindingEntry(Severity.NOTE, remedy or entry.remedy, is_repairable=False)
