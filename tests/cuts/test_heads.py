"""`attach` and `resume` say what became of what was seen last: it stands, was taken back, or is gone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from lives import Life
from test_rollback import begun, chat, end, go, make

from maos_sup.cli.heads import remembered
from maos_sup.cuts.take import take_cut
from state_layout.files import codec
from state_layout.paths import Tree

Say = Callable[[], str]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    monkeypatch.setenv("MAOS_SUP_HOME", str(tmp_path / "home"))
    return make(tmp_path / "home" / "tree")


@pytest.fixture
def look(tree: Tree, capfd: pytest.CaptureFixture[str]) -> Say:
    """Look as `attach` and `resume` do; what they say beside the view."""

    def looked() -> str:
        capfd.readouterr()
        with remembered(tree):
            pass
        return capfd.readouterr().err

    return looked


def more(tree: Tree, word: str) -> None:
    team: dict[str, Life] = begun(tree)
    chat(team, word)
    end(team)


def test_what_was_added_is_counted_and_nothing_is_said_where_nothing_is_new(tree: Tree, look: Say) -> None:
    more(tree, "one")
    assert "you looked" not in look()
    assert "you looked" not in look()
    more(tree, "two")
    assert "9 lines are new; all that was there is there still" in look()


def test_rollback_since_is_said_and_no_alarm(tree: Tree, look: Say) -> None:
    more(tree, "one")
    cut = take_cut(tree, by="operator", why="w")
    more(tree, "two")
    look()
    go(tree, cut.number)
    told = look()
    assert "the team was taken to checkpoint 1 (operator)" in told and "warning" not in told
    assert "you looked" not in look()


def test_tree_that_was_put_back_behind_our_back_is_noticed(tree: Tree, look: Say, tmp_path: Path) -> None:
    more(tree, "one")
    shutil.copytree(tree.root, tmp_path / "backup")
    more(tree, "two")
    look()
    shutil.rmtree(tree.root)
    shutil.copytree(tmp_path / "backup", tree.root)
    told = look()
    assert told.count("which was there then, is not there now") == 3
    assert "agents/bob/attempts/0002/journal.jsonl: line 6" in told and "maos-sup check" in told


def test_edited_line_is_noticed(tree: Tree, look: Say) -> None:
    more(tree, "one")
    look()
    journal = tree.agent("bob").attempt(1).journal
    journal.write_bytes(
        journal.read_bytes().replace(b"one of bob", b"won of bob").replace(b'"h":"', b'"h":"0')
    )
    assert "agents/bob/attempts/0001/journal.jsonl: line" in look()


@pytest.mark.parametrize("harm", ["removed", "cut", "edited"])
def test_what_happened_to_an_earlier_attempt_is_noticed(tree: Tree, look: Say, harm: str) -> None:
    more(tree, "one")
    more(tree, "two")
    assert "you looked" not in look()
    journal = tree.agent("bob").attempt(1).journal
    data = journal.read_bytes()
    if harm == "removed":
        shutil.rmtree(journal.parent)
    elif harm == "cut":
        journal.write_bytes(data[: data.rstrip().rindex(b"\n") + 1])
    else:
        journal.write_bytes(data[:-5] + b"0" + data[-4:])
    told = look()
    assert (
        "warning: agents/bob/attempts/0001/journal.jsonl: line 3, which was there then, is not there" in told
    )


def test_heads_that_an_older_version_kept_are_understood(tree: Tree, look: Say) -> None:
    more(tree, "one")
    look()
    (path,) = (tree.root.parent / ".heads").glob("*.json")
    value = codec.decode_object(path.read_bytes())
    del value["earlier"]
    path.write_bytes(codec.encode_pretty(value))
    more(tree, "two")
    assert "9 lines are new; all that was there is there still" in look()
