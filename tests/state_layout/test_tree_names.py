"""Finding trees by folder, id or its beginning; new ids; projects remembered relative."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state_layout.errors import BadInput, NotATree
from state_layout.paths import Tree
from state_layout.tree import find_tree, list_trees, open_tree, relative_project
from state_layout.tree.making import create_tree
from state_layout.tree.names import new_id

NOW = datetime(2026, 11, 21, 1, 42, 30, tzinfo=UTC)


def make(root: Path) -> Tree:
    return create_tree(root, orchestration={"id": "x", "request": "r"}, agents={}, tasks={})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("20261121-0142-audit-7f3k", "20261121-0142-audit-9abc", "20261122-1000-tidy-2222"):
        make(tmp_path / "home" / name)
    (tmp_path / "home" / "notes").mkdir()
    (tmp_path / "home" / "a-file").write_text("")
    return tmp_path / "home"


def test_trees_are_listed_by_age_and_nothing_else_is(home: Path) -> None:
    assert [tree.root.name for tree in list_trees(home)] == [
        "20261121-0142-audit-7f3k",
        "20261121-0142-audit-9abc",
        "20261122-1000-tidy-2222",
    ]
    assert list_trees(home / "none") == []


@pytest.mark.parametrize(
    "text", ["20261122-1000-tidy-2222", "20261122", "202611221"[:8] + "-1", "./x", "x", "sub/.."]
)
def test_tree_is_found_by_folder_id_or_its_beginning(
    home: Path, tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "x")
    if text == "sub/..":
        monkeypatch.chdir(tmp_path / "x")
        (tmp_path / "x" / "sub").mkdir()
    found = find_tree(text, home)
    expected = tmp_path / "x" if "x" in text or "sub" in text else home / "20261122-1000-tidy-2222"
    assert found.root == expected


@pytest.mark.parametrize(
    ("text", "error", "why"),
    [
        ("2026", BadInput, "'2026' is part of 3 ids; use more of one: 20261121-0142-audit-7f3k, "),
        ("20261121-0142-audit", BadInput, "is part of 2 ids"),
        ("nope", NotATree, "'nope' is no folder and no id of an orchestration in "),
        ("", BadInput, "the name of the orchestration is empty"),
        (" ", BadInput, "the name of the orchestration is empty"),
        ("./nope", NotATree, "is not there"),
        ("notes", NotATree, "is no orchestration: it has no FORMAT file"),
        ("audit", BadInput, "is part of 2 ids"),
        ("home/notes", NotATree, "is no orchestration"),
        ("x" * 5000, NotATree, "is no folder and no id"),
        ("~nobody-here/x", NotATree, "is not there"),
        ("a\0b", NotATree, "is no folder and no id"),
    ],
)
def test_name_of_no_tree_or_of_several_is_explained(
    home: Path, text: str, error: type[Exception], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home.parent)
    with pytest.raises(error) as raised:
        find_tree(text, home)
    assert why in str(raised.value)


def test_file_in_the_way_does_not_hide_an_id(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "20261122").mkdir()
    assert find_tree("20261122", home).root.name == "20261122-1000-tidy-2222"


# -- ids


@pytest.mark.parametrize(
    ("request_text", "words"),
    [
        ("Audit this repository", "audit-repository"),
        ("Audit the repo", "audit-repo"),
        ("Write a report on the performance of our parsers", "write-report-performance"),
        ("Prüfe das Gerät", "prufe-das-gerat"),
        ("don't panic!", "dont-panic"),
        ("../../etc/passwd; rm -rf /", "etc-passwd-rm-rf"),
        ("to be or not to be", "be-not-be"),
        ("x" * 100, "x" * 24),
        ("проверь", ""),
        ("", ""),
    ],
)
def test_id_reads_well(request_text: str, words: str) -> None:
    name = new_id(request_text, NOW, Random(1))
    time, _, rest = name.partition("-0142")
    assert time == "20261121"
    assert rest.rpartition("-")[0].strip("-") == words
    assert len(rest.rpartition("-")[2]) == 4


def test_id_has_the_time_in_utc() -> None:
    here = NOW.astimezone(timezone(timedelta(hours=-8)))
    assert new_id("x", here, Random(1)) == new_id("x", NOW, Random(1))


@given(st.text(), st.integers())
def test_any_request_gives_a_plain_folder_name(request_text: str, seed: int) -> None:
    name = new_id(request_text, NOW, Random(seed))
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(name) <= 48
    assert "--" not in name


# -- projects


def test_project_is_remembered_relative_to_the_tree(tmp_path: Path) -> None:
    (tmp_path / "src" / "repo").mkdir(parents=True)
    assert relative_project(tmp_path / "trees" / "x", tmp_path / "src" / "repo") == {
        "project": "../../src/repo",
        "project_name": "repo",
    }
    make(tmp_path / "src" / "repo" / "tree")
    assert relative_project(tmp_path / "src" / "repo" / "tree", tmp_path / "src" / "repo")["project"] == ".."


def test_project_through_links_leads_to_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "deep" / "home").mkdir(parents=True)
    (tmp_path / "repo").mkdir()
    (tmp_path / "home").symlink_to("deep/home")
    (tmp_path / "link").symlink_to("repo")
    tree = make(tmp_path / "home" / "x")
    found = relative_project(tmp_path / "home" / "x", tmp_path / "link")
    assert found == {"project": "../../../repo", "project_name": "repo"}
    assert (open_tree(tree.root).root / found["project"]).resolve() == tmp_path / "repo"


def test_project_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, why in (("file", "is no folder"), ("none", "is not there"), ("y" * 300, "is not there")):
        with pytest.raises(BadInput, match=f"the project {why}; name the folder to work on"):
            relative_project(tmp_path / "x", tmp_path / name)


def test_project_whose_path_is_no_text_is_refused(tmp_path: Path) -> None:
    odd = Path(f"{tmp_path}/\udcff")
    odd.mkdir()
    with pytest.raises(BadInput, match="is not UTF-8"):
        relative_project(tmp_path / "x", odd)
