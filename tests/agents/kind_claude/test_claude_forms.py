"""Lines of Claude Code that are JSON and no event, no record: left out, whatever stands in them."""

from __future__ import annotations

from pathlib import Path

from maos_sup.agents.kinds.claude.accounts import Accounts
from maos_sup.agents.kinds.claude.stream import events_of
from maos_sup.agents.kinds.claude.transcript import Transcript
from maos_sup.agents.output.sources import Source
from state_layout.files import codec

GOOD = [
    {"type": "assistant", "parent_tool_use_id": "t", "message": {"id": "m", "usage": {"output_tokens": 3}}},
    {"type": "system", "subtype": "status", "message": "words"},
    {"type": "user", "message": {"content": "words"}},
    {"type": "user", "message": None},
]
NONE = [
    {"type": "assistant", "parent_tool_use_id": "t", "message": ["m"]},
    {"type": "user", "message": {"content": ["words"]}},
    {"type": "user", "message": "words"},
    {"type": "stream_event", "event": "message_start"},
    {"type": "control_response", "response": 1},
    ["assistant"],
    7,
]


def mixed(path: Path) -> Path:
    path.write_bytes(b"".join(codec.encode(each) + b"\n" for each in [*NONE, *GOOD, *NONE]))
    return path


def test_events_without_what_they_are_about_are_left_out(tmp_path: Path) -> None:
    source, accounts, taken = Source(mixed(tmp_path / "stdout.log"), attempt=1, offset=0), Accounts(), []
    for event, _ in events_of(source, is_final=True):
        accounts.take(event)
        taken.append(event)
    assert taken == GOOD
    assert accounts.seen == [("None", {"output_tokens": 3})]


def test_records_without_what_they_are_about_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "projects" / "p").mkdir(parents=True)
    mixed(tmp_path / "projects" / "p" / "s.jsonl")
    transcript = Transcript(tmp_path, "s")
    assert transcript.refresh()
    assert transcript.talk.told == ["words", ""]
