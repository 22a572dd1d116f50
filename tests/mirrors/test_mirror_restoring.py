"""A tree made again from a mirror; mirrors that were tampered with; commands that are refused."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from databases import opened, sqlite_file
from mirrored_trees import ID, bring_up_to_date, difference, team, work

from maos_sup.cli import main
from maos_sup.mirrors.mirror import MirrorBatch, MirrorTrouble
from maos_sup.mirrors.registry import place_of
from maos_sup.mirrors.restoring import restore
from state_layout.check import check
from state_layout.errors import BadInput, Damaged
from state_layout.host.mirrored import Mirrored, add_mirror, mirrors_of
from state_layout.paths import Tree


def mirrored(tmp_path: Path) -> tuple[Tree, Path]:
    """A tree and the file that mirrors it."""
    tree = team(tmp_path / "tree")
    alice = work(tree)
    alice.journal.close()
    (tree.files / "count.sh").write_text("#!/bin/sh\n")
    (tree.files / "count.sh").chmod(0o700)
    with sqlite_file(tmp_path) as database, opened(database, ID) as mirror:
        bring_up_to_date(mirror, tree)
        assert difference(mirror, tree) == []
    return tree, tmp_path / "mirror.db"


def test_a_restored_tree_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    tree, path = mirrored(tmp_path)
    assert main(["mirror", "restore", str(path), str(tmp_path / "new")]) == 0
    for source in sorted(tree.root.rglob("*")):
        rel = source.relative_to(tree.root)
        if source.is_file() and rel.parts[0] != "run" and source.name not in ("lock", ".lock"):
            assert (tmp_path / "new" / rel).read_bytes() == source.read_bytes(), rel
    assert os.access(tmp_path / "new" / "spec" / "files" / "count.sh", os.X_OK)
    assert {problem.path for problem in check(Tree(tmp_path / "new"))} <= {
        problem.path for problem in check(tree)
    }


def test_a_line_that_was_changed_in_the_mirror_is_found_and_never_restored(tmp_path: Path) -> None:
    tree, path = mirrored(tmp_path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE mirrored_line SET raw = replace(raw, 's1', 's9') WHERE raw LIKE '%\"s1\"%'")
        database.commit()
    with sqlite_file(tmp_path) as place, opened(place, ID) as mirror:
        assert "is another line in the mirror" in difference(mirror, tree)[0]
        with pytest.raises(Damaged, match="does not follow"):
            restore(mirror, tmp_path / "new")
    assert not (tmp_path / "new" / "FORMAT").exists()


def test_a_content_that_was_changed_in_the_mirror_is_never_restored(tmp_path: Path) -> None:
    _, path = mirrored(tmp_path)
    with closing(sqlite3.connect(path)) as database:
        database.execute(
            "UPDATE mirrored_content SET data = CAST('{}' AS BLOB) WHERE file = "
            "(SELECT id FROM mirrored_file WHERE path = 'spec/agents/bob.json')"
        )
        database.commit()
    with sqlite_file(tmp_path) as place, opened(place, ID) as mirror, pytest.raises(Damaged, match="hash"):
        restore(mirror, tmp_path / "new")


@pytest.mark.parametrize("path", ["../outside.txt", "/tmp/outside.txt", "agents/../../x", "run/host.json"])
def test_no_name_in_a_mirror_leads_out_of_the_new_tree(tmp_path: Path, path: str) -> None:
    _, file = mirrored(tmp_path)
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE mirrored_file SET path = ? WHERE path = 'README.txt'", (path,))
        database.commit()
    with sqlite_file(tmp_path) as place, opened(place, ID) as mirror, pytest.raises(Damaged, match="no file"):
        restore(mirror, tmp_path / "deep" / "new")
    assert not (tmp_path / "deep" / "outside.txt").exists()


def test_a_restore_never_overwrites(tmp_path: Path) -> None:
    tree, path = mirrored(tmp_path)
    assert main(["mirror", "restore", str(path), str(tree.root)]) == 2


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("mysql://x/y", "use sqlite:FILE"),
        ("somewhere", "use sqlite:FILE"),
        ("sqlite:", "names no file"),
        ("sqlite://me:secret@x/y.db", "has a password"),
    ],
)
def test_a_url_that_means_nothing_is_refused_with_what_to_use(text: str, remedy: str) -> None:
    with pytest.raises(BadInput, match=remedy):
        place_of(text)


def test_other_peoples_databases_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = team(tmp_path / "tree")
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as database:
        database.execute("CREATE TABLE invoices (id)")
    assert main(["mirror", "add", str(tree.root), str(tmp_path / "theirs.db")]) == 2
    assert "a database of something else" in capsys.readouterr().err
    (tmp_path / "text.db").write_text("this is no database, but long enough to be taken for one" * 9)
    assert main(["mirror", "add", str(tree.root), str(tmp_path / "text.db")]) == 1
    assert "name another file" in capsys.readouterr().err
    assert main(["mirror", "add", str(tree.root), str(tree.root / "inside.db")]) == 2
    assert "lies inside" in capsys.readouterr().err


def test_killed_at_any_write_the_mirror_is_as_before_the_batch_or_after_it(tmp_path: Path) -> None:
    tree = team(tmp_path / "tree")
    work(tree).journal.close()
    program = (
        "import sys; sys.path[:0] = sys.argv[3:]\n"
        "from pathlib import Path\n"
        "from databases import SqliteFile, opened\n"
        "from mirrored_trees import ID, bring_up_to_date\n"
        "from state_layout.paths import Tree\n"
        "with opened(SqliteFile(Path(sys.argv[1])), ID) as mirror:\n"
        "    bring_up_to_date(mirror, Tree(Path(sys.argv[2])))\n"
    )
    here = Path(__file__).parent
    rooms = [str(here), str(here.parent), str(here.parent / "state_layout"), str(here.parents[1])]
    deaths = 0
    for number in range(1, 999, 1 if os.environ.get("MAOS_SUP_TORTURE_ROUNDS") else 11):
        path = tmp_path / "mirror.db"
        for old in tmp_path.glob("mirror.db*"):
            old.unlink()
        killed = ["strace", "-qq", "-o", "/dev/null", "-P", str(path), "-P", f"{path}-wal"]
        killed += ["-e", f"inject=pwrite64:signal=SIGKILL:when={number}"]
        argv = [sys.executable, "-c", program, str(path), str(tree.root), *rooms]
        done = subprocess.run([*killed, *argv], capture_output=True, text=True, check=False)
        deaths += done.returncode == -signal.SIGKILL
        with sqlite_file(tmp_path) as place, opened(place, ID) as mirror:
            mirror.cursor()
            bring_up_to_date(mirror, tree)
            assert difference(mirror, tree) == []
        if done.returncode == 0:
            break
    assert deaths > 2


def test_mail_that_a_rollback_set_aside_does_not_come_back_with_a_restore(tmp_path: Path) -> None:
    tree = team(tmp_path / "tree")
    work(tree).journal.close()
    box = tree.root / "mail" / "bob" / "alice.jsonl"
    with sqlite_file(tmp_path) as database, opened(database, ID) as mirror:
        bring_up_to_date(mirror, tree)
        box.rename(box.with_name("alice.jsonl.void-1"))
        bring_up_to_date(mirror, tree)
        restore(mirror, tmp_path / "new")
    assert [path.name for path in (tmp_path / "new" / "mail" / "bob").iterdir()] == ["alice.jsonl.void-1"]


def test_a_copy_with_all_its_files_has_no_mirrors_and_a_moved_tree_keeps_them(tmp_path: Path) -> None:
    tree = team(tmp_path / "tree")
    mirror = Mirrored(name="near", url=f"sqlite:{tmp_path}/mirror.db")
    add_mirror(tree, mirror)
    copy = Tree(shutil.copytree(tree.root, tmp_path / "copy"))
    assert mirrors_of(tree) == [mirror]
    assert mirrors_of(copy) == []
    add_mirror(copy, mirror)
    assert mirrors_of(copy) == [mirror]
    moved = Tree(tree.root.rename(tmp_path / "moved"))
    assert mirrors_of(moved) == [mirror]
    with pytest.raises(BadInput, match="is there already"):
        add_mirror(moved, mirror)


def test_a_file_that_was_removed_under_its_follower_is_told_and_filled_again(tmp_path: Path) -> None:
    tree = team(tmp_path / "tree")
    alice = work(tree)
    with sqlite_file(tmp_path) as database, opened(database, ID) as mirror:
        bring_up_to_date(mirror, tree)
        for path in tmp_path.glob("mirror.db*"):
            path.unlink()
        with pytest.raises(MirrorTrouble, match="was removed"):
            mirror.keep_alive()
        with opened(database, ID) as other:
            bring_up_to_date(other, tree)
            assert difference(other, tree) == []
        alice.step("more")
        with pytest.raises(MirrorTrouble, match="was removed or replaced"):
            mirror.apply(MirrorBatch())
