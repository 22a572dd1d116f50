"""Damage to mail, marks and budgets."""

from __future__ import annotations

import os

import check_hands as hands
from check_case import B1, TORN, Case, at, copied, no_checkpoints, together
from check_trees import write

TO_BOB, TO_ALICE = "mail/bob/alice.jsonl", "mail/alice/bob.jsonl"
PEOPLE, BUDGET = "mail/alice/operator.jsonl", "budget/alice.jsonl"
FROM_ALICE = b'{"seq":4,"at":"","attempt":2,"type":"info","from":"alice","to":"bob"'
FROM_CAROL = FROM_ALICE.replace(b"alice", b"carol")

MAIL_CASES = (
    Case("torn mail", at(TO_BOB, hands.append, TORN), (f"note torn {TO_BOB}:4",), ()),
    Case("zeros in mail", at(TO_BOB, hands.append, bytes(512)), (f"note zeros {TO_BOB}:4",), ()),
    Case(
        "edited mail",
        at(TO_BOB, hands.edit, 2, b'"text":"two"', b'"text":"2"'),
        (f"problem edited {TO_BOB}:2",),
    ),
    Case(
        "edited mail that no checkpoint relies on",
        at(TO_ALICE, hands.edit, 1, b"thanks", b"no thanks"),
        (f"problem edited {TO_ALICE}:1",),
    ),
    Case(
        "mail written by hand into an agent's file",
        at(TO_BOB, hands.append, b'{"text": "psst"}\n'),
        (f"problem edited {TO_BOB}:4",),
    ),
    Case(
        "mail lost",
        at(TO_BOB, hands.remove),
        (f"note pending {TO_BOB}", f"note mark_ahead {TO_BOB}"),
    ),
    Case(
        "mail lost its last line",
        at(TO_BOB, hands.drop_last),
        (f"note pending {TO_BOB}", f"note mark_ahead {TO_BOB}"),
    ),
    Case(
        "mail that was never journaled",
        at(TO_BOB, hands.append_chained, FROM_ALICE),
        (f"problem unjournaled {TO_BOB}",),
    ),
    Case(
        "mail ahead of its sender in a copy",
        together(
            at(
                TO_BOB,
                hands.append_chained,
                FROM_ALICE,
            ),
            copied,
        ),
        (f"note unjournaled {TO_BOB}",),
    ),
    Case(
        "mail from somebody else",
        at(
            TO_BOB,
            hands.append_chained,
            FROM_CAROL,
        ),
        (f"problem unjournaled {TO_BOB}", f"problem bad_record {TO_BOB}:4"),
    ),
    Case(
        "mail of a type nobody knows",
        at(TO_ALICE, hands.rewrite, hands.changed(1, type="gossip")),
        (f"problem bad_record {TO_ALICE}:1",),
    ),
    Case(
        "mail made anew",
        at(TO_BOB, hands.rewrite, hands.changed(1, at="")),
        (f"note mark_ahead {TO_BOB}",),
    ),
    Case(
        "mail with a message missing",
        at(TO_BOB, hands.rewrite, lambda lines: [lines[0], lines[2]]),
        (f"problem mail_gap {TO_BOB}", f"note mark_ahead {TO_BOB}"),
    ),
    Case(
        "a box of nobody",
        together(at("mail/carol", os.mkdir, 0o700), at("mail/carol/operator.jsonl", write, b"{}\n")),
        ("problem unknown_agent mail/carol",),
    ),
    Case(
        "mail from nobody",
        at("mail/bob/carol.jsonl", write, b""),
        ("problem unknown_agent mail/bob/carol.jsonl",),
    ),
    Case(
        "a mark of nothing that was sent",
        together(
            no_checkpoints(B1),
            at(
                f"{B1}/journal.jsonl",
                hands.rewrite,
                hands.changed(3, received={"bob/alice": [9, 9999, "0" * 12]}),
            ),
        ),
        (f"problem mark_ahead {TO_BOB}",),
    ),
    Case(
        "a bad line of people",
        at(PEOPLE, hands.append, b'{"text": 3}\nhello\n{"text": "fine"}\n'),
        (f"note bad_line {PEOPLE}:2", f"note bad_line {PEOPLE}:3"),
    ),
    Case(
        "people's mail edited where it was read",
        at(PEOPLE, hands.edit, 1, b"focus", b"look closely"),
        (f"note mark_astray {PEOPLE}",),
    ),
    Case("blank lines and no last line feed of people", at(PEOPLE, hands.append, b'\n\n{"text": "x"}'), ()),
    Case("a torn budget", at(BUDGET, hands.append, TORN), (f"note torn {BUDGET}:4",), ()),
    Case("an edited budget", at(BUDGET, hands.edit, 1, b"0.5", b"0.1"), (f"problem edited {BUDGET}:1",)),
    Case(
        "a budget of nobody",
        at("budget/carol.jsonl", write, b""),
        ("problem unknown_agent budget/carol.jsonl",),
    ),
)
