"""The first resume of a copy: what a copy taken file by file may have torn apart, put right.

A copy is not a snapshot: a mail file may be older than its sender's journal or its reader's mark, or newer.
So that no number is used twice for two messages, each sender's next one is put above all three. To be called
by the supervisor before any agent starts; doing it twice is harmless.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from state_layout.errors import Damaged, storage_error
from state_layout.files import atomic, codec
from state_layout.files.journal import Reader
from state_layout.files.reading import read_record
from state_layout.lives.attempts import recall
from state_layout.lives.history import History
from state_layout.mail.boxes import ALL, OPERATOR, boxes, files_of, is_sender
from state_layout.paths import Tree


@dataclass(slots=True)
class _Findings:
    """The findings are by sender and recipient the highest number seen anywhere, and what people are to be
    told."""

    highest: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    accepted: dict[str, dict[str, int]] = field(default_factory=dict)  # numbers that older copies settled

    def see(self, sender: str, to: str, seq: int) -> None:
        numbers = self.highest.setdefault(sender, {})
        numbers[to] = max(seq, numbers.get(to, 0))


def restore_copy(tree: Tree, *, agents: Collection[str]) -> list[str]:
    """Write `supervisor/restored.json`, durably; the notes, one for each thing that was clamped or ignored.

    Never fails for what a copy can do to a tree; an agent whose journals are corrupt is noted and left as it
    is. Raises StorageError.
    """
    findings = _Findings()
    _see_earlier(tree, findings)
    known: dict[str, History] = {}
    for agent in sorted(agents):
        try:
            recalled = recall(tree, agent)
        except Damaged as damage:
            findings.notes.append(str(damage))
            continue
        findings.notes += recalled.notes
        known[agent] = recalled.history
    ends = _see_mail(tree, findings)  # after the marks: agents may live, and mail only grows
    for agent, history in known.items():
        _see_agent(tree, agent, history, ends, findings)
    next_seq = {
        sender: {to: seq + 1 for to, seq in sorted(numbers.items())}
        for sender, numbers in sorted(findings.highest.items())
    }
    atomic.make_folder(tree.supervisor)
    value = {"next_seq": next_seq, "accepted": findings.accepted, "notes": findings.notes}
    atomic.replace(tree.restored, codec.encode_pretty(value))
    return findings.notes


def _see_earlier(tree: Tree, findings: _Findings) -> None:
    """Take the numbers of an earlier restore: they stay taken, for this may be the copy of a copy."""
    try:
        earlier = codec.decode_object(read_record(tree.restored))
        for sender, numbers in earlier["next_seq"].items():
            for to, seq in numbers.items():
                findings.see(sender, to, int(seq) - 1)
        accepted = earlier.get("accepted", earlier["next_seq"])
        findings.accepted = {
            sender: {to: int(seq) for to, seq in numbers.items()} for sender, numbers in accepted.items()
        }
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError, AttributeError):
        findings.notes.append(f"{tree.shown(tree.restored)}: not as FORMAT.md says; made anew")
    except OSError as cause:
        raise storage_error("read", tree.restored, cause) from cause


def _see_mail(tree: Tree, findings: _Findings) -> dict[str, int]:
    """Find the end of each mail file in bytes, by "<box>/<from>"."""
    ends: dict[str, int] = {}
    for box in boxes(tree):
        for file in files_of(tree, box):
            if not is_sender(file.sender):
                continue
            key = f"{box}/{file.sender}"
            if file.sender == OPERATOR:
                ends[key] = file.size
                continue
            reader = Reader(file.path)
            for _ in reader:
                pass
            findings.see(file.sender, box, reader.position.seq)
            ends[key] = reader.position.offset
            if reader.damage is not None and not reader.damage.is_tail:
                damage = reader.damage
                findings.notes.append(
                    f"{tree.shown(file.path)}:{damage.line}: corrupt; restore it from a copy"
                )
    return ends


def _see_agent(tree: Tree, agent: str, history: History, ends: dict[str, int], findings: _Findings) -> None:
    for to, seq in history.sent.items():
        findings.see(agent, to, seq)
    for key, (seq, offset, _) in history.marks.items():
        box, _, sender = key.partition("/")
        if sender != OPERATOR and box in (agent, ALL):
            findings.see(sender, box, seq)
        if offset > ends.get(key, 0):
            path = tree.shown(tree.mail_file(box, sender))
            findings.notes.append(f"{path}: the mark of {agent} at seq {seq} is beyond its end; clamped")
