"""Damage to FORMAT, to the specs and to what sort of file a thing is."""

from __future__ import annotations

import os

import check_hands as hands
from check_case import A1, A2, B1, Case, at, moved_out, together
from check_trees import write

TO_BOB, PEOPLE = "mail/bob/alice.jsonl", "mail/alice/operator.jsonl"

FORMAT_CASES = (
    Case("FORMAT is missing", at("FORMAT", hands.remove), ("problem bad_format FORMAT",)),
    Case("FORMAT is newer", at("FORMAT", write, b"maos-sup 2\n"), ("problem bad_format FORMAT",)),
    Case("FORMAT is older than any", at("FORMAT", write, b"maos-sup 0\n"), ("problem bad_format FORMAT",)),
    Case("FORMAT is another word", at("FORMAT", write, b"git 1\n"), ("problem bad_format FORMAT",)),
    Case("FORMAT is a pipe", at("FORMAT", hands.replace_by_pipe), ("problem bad_format FORMAT",)),
)
SPEC_CASES = (
    Case(
        "the supervisor's folder is gone",
        at("supervisor", hands.remove),
        ("problem lives_missing supervisor/lives",),
    ),
    Case(
        "a spec has a bad value",
        at("spec/agents/bob.json", write, b'{\n "kind": "python",\n "want": "runn"\n}\n'),
        ("problem spec spec/agents/bob.json:3",),
    ),
    Case(
        "a spec is no JSON",
        at("spec/tasks/report.json", write, b'{"agent": "bob"\n'),
        ("problem spec spec/tasks/report.json:2",),
    ),
    Case(
        "a spec is missing and has a good copy",
        at("spec/tasks/report.json", hands.remove),
        ("problem spec_missing spec/tasks/report.json",),
        (),
    ),
    Case(
        "a task's agent is nowhere",
        together(
            at("spec/agents/bob.json", hands.remove),
            at("supervisor/accepted/agents/bob.json", hands.remove),
        ),
        ("problem spec spec/tasks/report.json:2",),
    ),
    Case(
        "there is no orchestration",
        together(
            at("spec/orchestration.json", hands.remove),
            at("supervisor/accepted/orchestration.json", hands.remove),
        ),
        ("problem spec spec/orchestration.json",),
    ),
    Case(
        "tasks need each other",
        at("spec/tasks/count.json", write, b'{"agent": "alice", "needs": ["report"]}'),
        ("problem spec spec/tasks/count.json:1",),
    ),
    Case(
        "a spec has a name that is none",
        at("spec/agents/Bob.json", write, b"{}"),
        ("problem spec spec/agents/Bob.json",),
    ),
    Case(
        "a spec is a pipe",
        at("spec/agents/bob.json", hands.replace_by_pipe),
        ("problem not_a_file spec/agents/bob.json",),
    ),
)
FILE_CASES = (
    Case("a file nobody knows", at("agents/notes.txt", write, b""), ("note unlisted agents/notes.txt",)),
    Case("a folder nobody knows", at("mail/Bob", os.mkdir, 0o700), ("note unlisted mail/Bob",)),
    Case(
        "what an editor leaves",
        at("spec/tasks/.count.json.swp", write, b""),
        ("note unlisted spec/tasks/.count.json.swp",),
    ),
    Case(
        "a replace that did not happen",
        at("agents/bob/.status.json.tmp-0a1b2c3d", write, b"{"),
        ("note temporary agents/bob/.status.json.tmp-0a1b2c3d",),
        (),
    ),
    Case(
        "files for all to read",
        together(at(A1, os.chmod, 0o755), at(f"{A1}/journal.jsonl", os.chmod, 0o644)),
        (f"note readable_by_others {A1}",),
        (),
    ),
    Case(
        "what people write has the mode of their tools, in a tree that is closed to others",
        together(at("spec/tasks/count.json", os.chmod, 0o644), at(PEOPLE, os.chmod, 0o664)),
        (),
    ),
    Case(
        "what people write is open in a tree that is, too",
        together(at(".", os.chmod, 0o755), at("spec/tasks/count.json", os.chmod, 0o644)),
        ("note readable_by_others .",),
        (),
    ),
    Case(
        "a journal is a link",
        moved_out(f"{A2}/journal.jsonl"),
        (f"problem not_a_file {A2}/journal.jsonl",),
    ),
    Case("a folder is a link", moved_out("agents/bob"), ("problem not_a_file agents/bob",)),
    Case("a mail file is a pipe", at(TO_BOB, hands.replace_by_pipe), (f"problem not_a_file {TO_BOB}",)),
    Case(
        "a journal is a pipe",
        at(f"{B1}/journal.jsonl", hands.replace_by_pipe),
        (f"problem not_a_file {B1}/journal.jsonl",),
    ),
    Case(
        "a checkpoint is a pipe",
        at(f"{B1}/checkpoint.0.json", hands.replace_by_pipe),
        (f"problem not_a_file {B1}/checkpoint.0.json",),
    ),
    Case(
        "exit.json is a folder",
        at(f"{B1}/exit.json", hands.replace_by_folder),
        (f"problem not_a_file {B1}/exit.json",),
    ),
    Case(
        "a lock is a pipe",
        at("agents/bob/lock", hands.replace_by_pipe),
        ("problem not_a_file agents/bob/lock",),
    ),
    Case("people's mail is a pipe", at(PEOPLE, hands.replace_by_pipe), (f"problem not_a_file {PEOPLE}",)),
    Case(
        "a handle is a pipe",
        at("run/agents/alice.handle.json", hands.replace_by_pipe),
        ("problem not_a_file run/agents/alice.handle.json",),
    ),
)
