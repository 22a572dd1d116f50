"""What the documents promise can be found: every test that is named, every finding, every exit code."""

from __future__ import annotations

import re
from pathlib import Path

from maos_sup.cli import edge
from state_layout.check import CATALOGUE, Finding, Severity
from state_layout.records import ExitReason

ROOT = Path(__file__).resolve().parents[1]
GUARANTEES = (ROOT / "docs" / "guarantees.md").read_text()
TROUBLES = (ROOT / "docs" / "troubleshooting.md").read_text()


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", GUARANTEES)
    assert len(named) > 30
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).is_file()
        or (name and not re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE))
    ]
    assert missing == []


def test_every_promise_of_the_readme_has_a_section() -> None:
    sections = [text.partition("\n")[0] for text in GUARANTEES.split("\n## ")[1:]]
    assert len(sections) >= 10
    assert all("- `tests/" in text for text in GUARANTEES.split("\n## ")[1:-1])


def test_every_finding_of_check_has_an_entry_that_fits_its_weight() -> None:
    entries = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", TROUBLES, re.MULTILINE))
    assert {str(finding) for finding in Finding} - entries.keys() == set()
    notes = {str(finding) for finding, entry in CATALOGUE.items() if entry.severity is Severity.NOTE}
    said = {finding for finding in notes if "note" in entries[finding].lower()}
    assert notes - said <= {"zeros", "readable_by_others", "bad_line"}


def test_every_error_and_repair_that_is_explained_is_said_somewhere() -> None:
    sources = [
        path.read_text()
        for package in ("maos_sup", "state_layout")
        for path in (ROOT / package).rglob("*.py")
    ]
    said = "\n".join(sources)
    said += "".join(f"cannot {action}\n" for action in re.findall(r'storage_error\("([a-z ]+)"', said))
    tables = TROUBLES.partition("\n## Errors")[2].partition("\n## Copies")[0].split("\n### ")
    rows = [
        row for table in (tables[0], tables[2]) for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    ]
    phrases = [
        phrase for row in rows for phrase in re.findall(r"`([^`]+)`", row) if " is ...; use " not in phrase
    ]
    assert len(phrases) > 35
    parts = [part.strip() for phrase in phrases for part in phrase.split("...")]
    assert [part for part in parts if part not in said] == []


def test_every_end_of_an_attempt_is_explained() -> None:
    table = TROUBLES.partition("\n### How an attempt ended")[2].partition("\n### ")[0]
    named = {
        word
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for word in re.findall(r"`(\w+)`", row)
    }
    assert named == set(map(str, ExitReason))


def test_every_exit_code_is_explained() -> None:
    codes = {edge.OK, edge.BUG, edge.USAGE, edge.TASK_FAILED, edge.NOT_A_TREE, edge.LOCKED, edge.DAMAGED}
    for code in codes | {edge.INTERRUPTED}:
        assert f"\n| {code} |" in TROUBLES
