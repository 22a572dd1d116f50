"""Damage to the lines of a journal."""

from __future__ import annotations

import check_hands as hands
from check_case import A1, JOURNAL, TORN, Case, at, copied, crlf, swap, together
from check_trees import write

JOURNAL_CASES = (
    Case("the last life's journal is torn", at(JOURNAL, hands.append, TORN), (f"note torn {JOURNAL}:5",)),
    Case(
        "an older life's journal is torn",
        at(f"{A1}/journal.jsonl", hands.append, TORN),
        (f"note torn {A1}/journal.jsonl:5",),
    ),
    Case("zeros at the end", at(JOURNAL, hands.append, bytes(4096)), (f"note zeros {JOURNAL}:5",)),
    Case(
        "zeros at the end, and lines after them",
        at(JOURNAL, hands.append, bytes(40) + b"\n" + TORN + b"\n"),
        (f"note zeros {JOURNAL}:5",),
    ),
    Case("zeros where it was durable", at(JOURNAL, hands.zero, 2), (f"problem zeros {JOURNAL}:2",)),
    Case(
        "no line of a journal at its end", at(JOURNAL, hands.append, b"xyz\n"), (f"note corrupt {JOURNAL}:5",)
    ),
    Case(
        "a hand edit",
        at(JOURNAL, hands.edit, 2, b'"key":"count"', b'"key":"c0unt"'),
        (f"problem edited {JOURNAL}:2",),
    ),
    Case(
        "a hand edit in an older life",
        at(f"{A1}/journal.jsonl", hands.edit, 2, b"running", b"failed"),
        (f"problem edited {A1}/journal.jsonl:2",),
    ),
    Case(
        "a hand edit that is no JSON",
        at(JOURNAL, hands.edit, 3, b'"half way"', b'"half way'),
        (f"problem edited {JOURNAL}:3",),
    ),
    Case(
        "a hand edit of the last line",
        at(JOURNAL, hands.edit, 4, b'"result":3', b'"result":4'),
        (f"problem edited {JOURNAL}:4",),
    ),
    Case(
        "a hand edit of a hash",
        at(JOURNAL, hands.edit, 2, b'"h":"', b'"h":"0'),
        (f"problem edited {JOURNAL}:2",),
    ),
    Case(
        "a line written by hand at the end",
        at(JOURNAL, hands.append, b'{"seq":9,"type":"note"}\n'),
        (f"problem edited {JOURNAL}:5",),
    ),
    Case(
        "a line inserted",
        at(JOURNAL, hands.rearrange, lambda lines: [*lines[:2], b'{"a": 1}', *lines[2:]]),
        (f"problem inserted {JOURNAL}:3",),
    ),
    Case(
        "a blank line inserted",
        at(JOURNAL, hands.rearrange, lambda lines: [*lines[:2], b"", *lines[2:]]),
        (f"problem inserted {JOURNAL}:3",),
    ),
    Case("a blank line at the end", at(JOURNAL, hands.append, b"\n"), (f"problem inserted {JOURNAL}:5",)),
    Case(
        "a line repeated",
        at(JOURNAL, hands.rearrange, lambda lines: [*lines[:2], lines[1], *lines[2:]]),
        (f"problem inserted {JOURNAL}:3",),
    ),
    Case(
        "a line removed",
        at(JOURNAL, hands.rearrange, lambda lines: [*lines[:1], *lines[2:]]),
        (f"problem lines_missing {JOURNAL}:2",),
    ),
    Case(
        "the first line removed",
        at(JOURNAL, hands.rearrange, lambda lines: lines[1:]),
        (f"problem lines_missing {JOURNAL}:1",),
    ),
    Case("lines swapped", at(JOURNAL, hands.rearrange, swap), (f"problem edited {JOURNAL}:3",)),
    Case("line ends of another system", at(JOURNAL, crlf), (f"problem line_ends {JOURNAL}:1",)),
    Case("the last line lost", at(JOURNAL, hands.drop_last), (f"problem cut_short {JOURNAL}:3",)),
    Case(
        "the last line lost in a copy",
        together(at(JOURNAL, hands.drop_last), copied),
        (f"note cut_short {JOURNAL}:3",),
    ),
    Case(
        "torn where it was durable",
        at(JOURNAL, hands.cut, 9),
        (f"problem cut_short {JOURNAL}:3", f"note torn {JOURNAL}:4"),
    ),
    Case("an empty journal", at(JOURNAL, write, b""), (f"problem cut_short {JOURNAL}",)),
    Case("a journal lost", at(JOURNAL, hands.remove), (f"problem cut_short {JOURNAL}",)),
    Case(
        "an older life lost its last line",
        at(f"{A1}/journal.jsonl", hands.drop_last),
        (f"problem cut_short {A1}/journal.jsonl:3",),
    ),
)
