"""Lines are examined many at once: whatever was done to a file, the findings are those of one at a time."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from check_trees import copy_in_place, make_specs
from hypothesis import given, settings
from hypothesis import strategies as st

from state_layout.check import Finding, check, scan
from state_layout.files import codec
from state_layout.files.chain import link
from state_layout.paths import Tree

AT = "2026-11-21T01:42:00.000001Z"
Lines = list[bytes]


def journal_entry(number: int) -> dict[str, Any]:
    """An entry for the line of this number, of several sorts in turn."""
    sent = {"to": "bob", "n": number, "type": "info", "text": "x"}
    sorts: list[dict[str, Any]] = [
        {"type": "step", "task": "count", "run": 1, "key": f"s{number}", "result": number},
        {"type": "step", "key": f"s{number}", "sent": [sent]},
        {"type": "turn", "role": "assistant", "text": "one, two", "cost_usd": 0.5},
        {"type": "task", "task": "count", "run": 1, "phase": "running"},
    ]
    return sorts[number % len(sorts)]


def mail_entry(number: int) -> dict[str, Any]:
    return {"type": "info", "from": "alice", "to": "bob", "text": f"number {number}"}


START = {"type": "start", "agent": "alice", "attempt": 1, "pin": None, "settings": {}}
BAD: tuple[dict[str, Any], ...] = (
    {"type": "step"},
    {"type": "task", "task": "count", "phase": "no phase"},
    {"type": "step", "key": "again", "sent": [{"to": "bob", "n": 1, "type": "info", "text": "x"}]},
    {"type": "info", "from": "carol", "to": "bob", "text": "x"},
    {"type": "nothing", "from": "alice", "to": "bob"},
    {"type": "info", "from": "alice", "to": "bob", "text": 3},
)


def chained_lines(entries: list[dict[str, Any]], *, broken: int | None) -> Lines:
    """Whole lines with `entries`; that with the index `broken` is no JSON."""
    lines, h = Lines(), ""
    for index, entry in enumerate(entries):
        body = codec.encode({"seq": index + 1, "at": AT} | entry)[:-1]
        body += b',"x":NaN' if index == broken else b""
        h = link(h, body)
        lines.append(b'%b,"h":"%b"}' % (body, h.encode()))
    return lines


def flipped(lines: Lines, at: int) -> Lines:
    line = lines[at]
    place = (at * 7) % len(line)
    return [*lines[:at], line[:place] + bytes([line[place] ^ 1]) + line[place + 1 :], *lines[at + 1 :]]


DAMAGES: dict[str, Callable[[Lines, int], Lines]] = {
    "nothing": lambda lines, at: lines,
    "altered": flipped,
    "cut": lambda lines, at: [*lines[:at], lines[at][:9], *lines[at + 1 :]],
    "gone": lambda lines, at: [*lines[:at], *lines[at + 1 :]],
    "doubled": lambda lines, at: [*lines[:at], lines[at], *lines[at:]],
    "in another order": lambda lines, at: [*lines[:at], *reversed(lines[at : at + 2]), *lines[at + 2 :]],
    "ended": lambda lines, at: lines[:at],
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    tree = make_specs(tmp_path_factory.mktemp("template") / "tree")
    tree.agent("alice").attempt(1).root.mkdir(mode=0o700, parents=True)
    return tree


@settings(max_examples=60)
@given(st.data())
def test_findings_are_those_of_one_line_at_a_time(template: Tree, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tree = copy_in_place(template, Path(folder) / "tree")
        for path, entry_of, first in (
            (tree.agent("alice").attempt(1).journal, journal_entry, [START]),
            (tree.mail_file("bob", "alice"), mail_entry, []),
        ):
            count = data.draw(st.sampled_from((3, 70, 140)))
            entries = [*first, *map(entry_of, range(1, count))]
            at = data.draw(st.integers(1, len(entries) - 1))
            if data.draw(st.booleans()):
                entries[at] = data.draw(st.sampled_from(BAD))
            lines = chained_lines(entries, broken=data.draw(st.sampled_from((None, None, at))))
            damage = DAMAGES[data.draw(st.sampled_from([*DAMAGES]))]
            lines = damage(lines, data.draw(st.integers(1, len(lines) - 1)))
            end = data.draw(st.sampled_from((b"\n", b"\n", b"", b'\n{"seq":')))
            path.write_bytes(b"\n".join(lines) + end)
        many = check(tree)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scan, "_AT_ONCE", 1)
            assert check(tree) == many


def test_lines_that_are_no_json_are_not_kept(template: Tree, tmp_path: Path) -> None:
    """The command `check` looks for no cycles: what kept itself would stay, and each line with it."""
    tree = copy_in_place(template, tmp_path / "tree")
    lines = chained_lines([START], broken=None)
    h = lines[0][-14:-2].decode()
    for seq in range(2, 9):
        body = b'{"seq":%d,"type":"note","x":NaN' % seq
        h = link(h, body)
        lines.append(b'%b,"h":"%b"}' % (body, h.encode()))
    tree.agent("alice").attempt(1).journal.write_bytes(b"\n".join(lines) + b"\n")
    gc.collect()
    gc.disable()
    try:
        assert [problem.line for problem in check(tree) if problem.finding is Finding.BAD_RECORD] == [2]
        assert not [each for each in gc.get_objects() if isinstance(each, codec.NotJson)]
    finally:
        gc.enable()
