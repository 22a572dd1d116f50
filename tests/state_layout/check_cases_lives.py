"""Damage to lives: what they pin, fold, and how they ended; snapshots; the lives of the supervisor."""

from __future__ import annotations

import os

import check_hands as hands
from check_case import A1, A2, JOURNAL, TORN, Case, at, copied, done, no_checkpoints, together
from check_trees import write

LIFE = "supervisor/lives/0002/journal.jsonl"

LIFE_CASES = (
    Case("an older life lost", at(A1, hands.remove), (f"problem attempt_missing {JOURNAL}:1",)),
    Case(
        "an older life lost its first line",
        at(f"{A1}/journal.jsonl", write, b""),
        (f"problem checkpoint_ahead {A1}/checkpoint.0.json", f"problem cut_short {JOURNAL}:1"),
        (f"problem cut_short {JOURNAL}:1",),
    ),
    Case(
        "a life that did not begin",
        at("agents/alice/attempts/0003", os.mkdir, 0o700),
        ("note exit_missing agents/alice/attempts/0003/exit.json",),
        (),
    ),
    Case(
        "a pin to another line",
        together(
            no_checkpoints(A2),
            at(JOURNAL, hands.rewrite, hands.changed(1, pin={"attempt": 1, "seq": 4, "h": "0" * 12})),
        ),
        (f"problem pin_broken {A1}/journal.jsonl:4",),
    ),
    Case(
        "a pin to a life to come",
        together(
            no_checkpoints(A2),
            at(JOURNAL, hands.rewrite, hands.changed(1, pin={"attempt": 3, "seq": 4, "h": "0" * 12})),
        ),
        (f"problem bad_record {JOURNAL}:1",),
    ),
    Case(
        "the start of another agent",
        together(no_checkpoints(A2), at(JOURNAL, hands.rewrite, hands.changed(1, agent="carol"))),
        (f"problem bad_record {JOURNAL}:1",),
    ),
    Case(
        "a gap in seq with the chain right",
        together(no_checkpoints(A2), at(JOURNAL, hands.rewrite, hands.changed(4, seq=99))),
        (f"problem bad_record {JOURNAL}:4",),
    ),
    Case(
        "a line after the last word of its writer, with the chain right",
        at(JOURNAL, hands.append_chained, b'{"seq":9,"at":"2026-11-21T01:42:00.123456Z","type":"note"'),
        (f"problem after_end {JOURNAL}:5",),
    ),
    Case(
        "a line that is not as FORMAT.md says",
        together(no_checkpoints(A2), at(JOURNAL, hands.rewrite, hands.changed(4, phase="finished"))),
        (f"problem bad_record {JOURNAL}:4",),
    ),
    Case(
        "a chained line that is no JSON",
        at(JOURNAL, hands.append_chained, b'{"seq":9,"at":nothing'),
        (f"problem bad_record {JOURNAL}:5",),
    ),
    Case(
        "a message sent twice",
        at(JOURNAL, hands.append_chained, b'{"seq":9,"at":"","type":"sent","sent":[{"to":"bob","n":3}]'),
        (f"problem bad_record {JOURNAL}:5",),
    ),
    Case(
        "lines after the pin",
        at(f"{A1}/journal.jsonl", hands.append_chained, b'{"seq":5,"at":"","type":"progress"'),
        (f"note void {A1}/journal.jsonl:5",),
    ),
    Case(
        "lines that a poisoned life did not sync",
        together(
            no_checkpoints(A2),
            at(f"{A2}/exit.json", write, b'{"attempt": 2, "reason": "poisoned", "synced_seq": 6}'),
        ),
        (),
    ),
    Case(
        "a checkpoint half written",
        at(f"{A2}/checkpoint.1.json", hands.cut, 4000),
        (f"note checkpoint_bad {A2}/checkpoint.1.json",),
        (),
    ),
    Case(
        "a checkpoint edited",
        at(f"{A2}/checkpoint.1.json", hands.edit, 1, b'"cost_usd":0', b'"cost_usd":9'),
        (f"note checkpoint_bad {A2}/checkpoint.1.json",),
        (),
    ),
    Case(
        "a checkpoint of another life",
        lambda root: done((root / A2 / "checkpoint.1.json").rename(root / A1 / "checkpoint.1.json")),
        (f"note checkpoint_bad {A1}/checkpoint.1.json",),
        (),
    ),
    Case(
        "a checkpoint ahead of its journal",
        together(at(JOURNAL, hands.drop_last, 2), at(f"{A2}/exit.json", hands.remove)),
        (f"problem checkpoint_ahead {A2}/checkpoint.1.json", f"note exit_missing {A2}/exit.json"),
        (),
    ),
    Case(
        "a checkpoint ahead of its journal in a copy",
        together(at(JOURNAL, hands.drop_last, 2), at(f"{A2}/exit.json", hands.remove), copied),
        (f"note checkpoint_ahead {A2}/checkpoint.1.json", f"note exit_missing {A2}/exit.json"),
        (f"note checkpoint_ahead {A2}/checkpoint.1.json",),
    ),
    Case("no exit.json", at(f"{A2}/exit.json", hands.remove), (f"note exit_missing {A2}/exit.json",), ()),
    Case(
        "no exit.json of an older life",
        at(f"{A1}/exit.json", hands.remove),
        (f"note exit_missing {A1}/exit.json",),
        (),
    ),
    Case("an empty exit.json", at(f"{A2}/exit.json", write, b""), (f"problem exit_bad {A2}/exit.json",), ()),
    Case(
        "an exit.json with a reason nobody knows",
        at(f"{A2}/exit.json", write, b'{"attempt": 2, "reason": "bored"}'),
        (f"problem exit_bad {A2}/exit.json",),
        (),
    ),
    Case(
        "an exit.json of another life",
        at(f"{A2}/exit.json", write, b'{"attempt": 1, "reason": "parked"}'),
        (f"problem exit_bad {A2}/exit.json",),
        (),
    ),
    Case(
        "an empty status",
        at("agents/bob/status.json", write, b""),
        ("note snapshot_bad agents/bob/status.json",),
        (),
    ),
    Case(
        "a status nobody understands",
        at("agents/bob/status.json", write, b'{"agent": "bob", "tasks": {"report": {"phase": "odd"}}}'),
        ("note snapshot_bad agents/bob/status.json",),
        (),
    ),
    Case(
        "a supervisor's status nobody understands",
        at("supervisor/status.json", write, b"[]"),
        ("note snapshot_bad supervisor/status.json",),
        (),
    ),
    Case(
        "a handle nobody understands",
        at("run/agents/alice.handle.json", write, b"{}"),
        ("note snapshot_bad run/agents/alice.handle.json",),
    ),
    Case(
        "restored.json nobody understands",
        at("supervisor/restored.json", write, b'{"next_seq": 3}'),
        ("problem restored_bad supervisor/restored.json",),
    ),
    Case("a supervisor's torn journal", at(LIFE, hands.append, TORN), (f"note torn {LIFE}:3",)),
    Case(
        "a supervisor's edited journal",
        at(LIFE, hands.edit, 1, b"start", b"begin"),
        (f"problem edited {LIFE}:1",),
    ),
    Case(
        "a supervisor's life that is another",
        at(LIFE, hands.rewrite, hands.changed(1, life=7)),
        (f"problem bad_record {LIFE}:1",),
    ),
    Case(
        "a supervisor's life pins what is not there",
        at("supervisor/lives/0001", hands.remove),
        (f"note pin_broken {LIFE}:1",),
    ),
    Case(
        "a supervisor's life went on after it was replaced",
        at(
            "supervisor/lives/0001/journal.jsonl", hands.append_chained, b'{"seq":3,"at":"","type":"finished"'
        ),
        (f"note pin_broken {LIFE}:1",),
    ),
)
