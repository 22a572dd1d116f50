"""Every file of a tree has its row, and the document says what the rows say."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import state_layout
from state_layout.catalogue import (
    ROWS,
    Form,
    file_pattern,
    folder_pattern,
    free_pattern,
    globs,
    row_of,
    with_table,
)
from state_layout.catalogue.record_tables import with_records
from state_layout.paths import Tree

DOCUMENT = Path(state_layout.__file__).parent / "FORMAT.md"
ROOT = Path("/tree")
_NO_FILES = {"root", "spec_state"}


def paths_of(owner: object) -> Iterator[tuple[str, Path]]:
    """Every path that an object of `state_layout.paths` has as a property."""
    for name, member in inspect.getmembers(type(owner)):
        if isinstance(getattr(owner, name), Path) and not inspect.isfunction(member):
            yield name, getattr(owner, name)


def test_the_document_has_the_table_of_the_catalogue() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert with_table(text) == text, "make tables"
    assert with_table(text.replace("| `run/ballast` |", "| `run/balast` |")) == text


def test_the_document_has_the_tables_of_the_records() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert with_records(text) == text, "make tables"
    assert "| `offset` | whole number | bytes |" in text
    assert "| `synced` | whole number | may be missing |" in text


def test_every_record_of_the_catalogue_is_a_type() -> None:
    names = {
        name
        for path in sorted((DOCUMENT.parent / "records").glob("*.py"))
        for name in vars(import_module(f"state_layout.records.{path.stem}"))
    }
    named = {row.record for row in ROWS if row.record}
    assert len(named) > 5 and named <= names, named - names


def test_every_path_that_the_layout_names_has_a_row() -> None:
    tree = Tree(ROOT)
    named = [
        *paths_of(tree),
        *paths_of(tree.agent("bob")),
        *paths_of(tree.agent("bob").attempt(3)),
        ("mail_box", tree.mail_box("bob")),
        ("handle", tree.handle("bob")),
        ("beat", tree.beat("bob")),
        ("agent_spec", tree.agent_spec("bob")),
        ("task_spec", tree.task_spec("count")),
        ("life_journal", tree.life_journal(2)),
    ]
    assert len(named) > 40
    patterns = file_pattern(), folder_pattern(), free_pattern()
    for name, path in named:
        rel = path.relative_to(ROOT).as_posix()
        assert rel == "." or any(pattern.fullmatch(rel) for pattern in patterns), f"{name}: {rel} has no row"


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("agents/bob/attempts/0003/journal.jsonl", Form.CHAINED),
        ("agents/bob/attempts/3/journal.jsonl", None),
        ("agents/Bob/attempts/0003/journal.jsonl", None),
        ("agents/bob/attempts/0003/checkpoint.1.json", Form.JSON),
        ("agents/bob/attempts/0003/checkpoint.2.json", None),
        ("mail/all/operator.jsonl", Form.LINES),
        ("state/custom/plan/bob.jsonl.void-7", Form.BYTES),
        ("run/agents/bob.tools.json", Form.JSON),
        ("agents/bob/workspace/x", None),
    ],
)
def test_a_file_is_found_by_its_path(path: str, form: Form | None) -> None:
    row = row_of(path)
    assert (None if row is None else row.form) is form


def test_what_a_repair_set_aside_belongs_to_its_file() -> None:
    assert file_pattern().fullmatch("mail/bob/alice.jsonl.torn-2")
    assert not file_pattern().fullmatch("mail/bob/alice.jsonl.torn-")


def test_no_path_stands_in_two_rows() -> None:
    paths = [path for row in ROWS for path in row.paths]
    assert len(paths) == len(set(paths))


def test_globs_find_chained_files(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    for path in (
        tree.life_journal(1),
        tree.agent("bob").attempt(1).journal,
        tree.mail_box("bob") / "ann.jsonl",
    ):
        path.parent.mkdir(parents=True)
        path.touch()
    assert len({path for pattern in globs(Form.CHAINED) for path in tmp_path.glob(pattern)}) == 3
