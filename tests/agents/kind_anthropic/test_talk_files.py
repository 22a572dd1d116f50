"""What a model did to the files of its workspace is kept call by call, and can be taken back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from shutil import rmtree

import pytest
from talking import Talk, finish, steps, use

from maos_sup.agents.workplace import snapping
from maos_sup.workspaces import snapshots
from maos_sup.workspaces.store import Store

Make = Callable[..., Talk]


def maos_sup(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "maos_sup", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_files_are_kept_call_by_call_and_come_back(talk: Make) -> None:
    one = talk(
        steps(
            use("bash", command="echo 1 > a; echo gone > b; echo x > c.ignored"),
            use("bash", command="ls"),
            use("bash", command="echo 2 > a; rm b"),
            finish(),
        )
    )
    assert one.stage.run("ann") == 0, one.stage.log()
    tree, workspace = one.stage.tree, one.stage.tree.agent("ann").workspace
    taken = [*snapshots.every(tree.agent("ann"))]
    assert [each.why for each in taken] == ["task ann begins", "after bash", "after bash"], "none for ls"
    calls = [line["id"] for line in one.stage.lines("ann", "tool_call")]
    assert [each.call for each in taken] == [None, calls[0], calls[2]]
    root = str(tree.root)
    assert "after bash" in maos_sup("files", root, "ann").stdout
    listed = json.loads(maos_sup("files", root, "ann", "--snapshot", "2", "--json").stdout)
    assert [row["path"] for row in listed["files"]] == ["a", "b", "c.ignored"]
    shown = maos_sup("restore", root, "ann", "--before", calls[2], "--dry-run")
    assert shown.stdout.splitlines()[1:] == ["  M a", "  A b", "nothing was restored"], shown.stderr
    refused = maos_sup("restore", root, "ann", "--before", calls[2])
    assert (refused.returncode, "--yes does it" in refused.stderr) == (2, True)
    done = maos_sup("restore", root, "ann", "--before", calls[2], "--yes")
    assert done.returncode == 0, done.stderr
    assert ((workspace / "a").read_text(), (workspace / "b").read_text()) == ("1\n", "gone\n")
    done = maos_sup("restore", root, "ann", "--redo", "--yes")
    assert done.returncode == 0, done.stderr
    assert ((workspace / "a").read_text(), (workspace / "b").exists()) == ("2\n", False)
    assert one.stage.problems() == []


def test_edits_of_a_person_are_not_lost(talk: Make, tmp_path_factory: object) -> None:
    one = talk(steps(use("bash", command="echo 1 > a"), use("bash", command="echo 2 > a"), finish()))
    assert one.stage.run("ann") == 0, one.stage.log()
    tree = one.stage.tree
    workspace, root = tree.agent("ann").workspace, str(tree.root)
    (workspace / "a").write_text("of a person\n")
    done = maos_sup("restore", root, "ann", "--snapshot", "2", "--yes")
    assert (
        done.returncode,
        "a: changed since the last snapshot of ann, by somebody else" in done.stderr,
    ) == (
        2,
        True,
    ), done.stderr
    assert (workspace / "a").read_text() == "of a person\n"
    out = one.stage.folder / "old"
    assert maos_sup("restore", root, "ann", "--snapshot", "2", "-o", str(out)).returncode == 0
    assert (out / "a").read_text() == "1\n"
    assert maos_sup("restore", root, "ann", "--snapshot", "2", "--yes", "--force").returncode == 0
    assert (workspace / "a").read_text() == "1\n"
    assert maos_sup("restore", root, "ann", "--redo", "--yes", "--force").returncode == 0
    assert (workspace / "a").read_text() == "of a person\n"


def test_who_works_is_left_alone_and_a_cut_off_restore_is_finished(talk: Make) -> None:
    one = talk(steps(use("bash", command="echo 1 > a"), use("bash", command="echo 2 > a"), finish()))
    assert one.stage.run("ann") == 0, one.stage.log()
    tree, root = one.stage.tree, str(one.stage.root)
    restoring = tree.agent("ann").restoring
    restoring.mkdir()
    (restoring / "restore.json").write_text('{"target": 2, "before": 3, "paths": []}')
    one.stage.edit("tasks/ann.json", run=2)
    assert one.stage.run("ann") == 0, one.stage.log()
    assert "a restore of its files to snapshot 2 was cut off; it is finished now" in one.stage.stderr(
        "ann", 2
    )
    assert not restoring.exists()
    for words in (
        ["files", root, "ann", "--snapshot", "99"],
        ["restore", root, "ann"],
        ["files", root, "bob"],
    ):
        assert maos_sup(*words).returncode == 2
    assert "snapshots removed" in maos_sup("files", root, "--gc").stdout


def test_workspace_that_was_removed_is_named_with_what_to_do(talk: Make) -> None:
    one = talk(steps(use("bash", command="echo 1 > a"), finish()))
    assert one.stage.run("ann") == 0, one.stage.log()
    root, out = str(one.stage.root), one.stage.folder / "out"
    rmtree(one.stage.tree.agent("ann").workspace)
    done = maos_sup("restore", root, "ann", "--snapshot", "2", "--yes")
    assert (done.returncode, "is not there" in done.stderr, "-o FOLDER" in done.stderr) == (2, True, True)
    assert maos_sup("restore", root, "ann", "--snapshot", "2", "-o", str(out)).returncode == 0
    assert (out / "a").read_text() == "1\n"


def test_workspaces_go_back_with_the_team_and_forward_again(talk: Make) -> None:
    one = talk(steps(use("bash", command="echo x >> a"), finish()))
    assert one.stage.run("ann") == 0, one.stage.log()
    root, workspace = str(one.stage.root), one.stage.tree.agent("ann").workspace
    assert maos_sup("checkpoint", root, "--name", "first").returncode == 0
    one.stage.edit("tasks/ann.json", run=2)
    assert one.stage.run("ann") == 0, one.stage.log()
    assert (workspace / "a").read_text() == "x\nx\n"
    one.stage.tree.supervisor_handle.unlink()  # nobody supervises a stage
    done = maos_sup("rollback", root, "first", "--files", "--yes")
    assert done.returncode == 0, done.stderr
    assert (workspace / "a").read_text() == "x\n", done.stderr
    done = maos_sup("redo", root, "--files", "--yes")
    assert done.returncode == 0, done.stderr
    assert (workspace / "a").read_text() == "x\nx\n", done.stderr
    done = maos_sup("rollback", root, "first", "--yes")
    assert (done.returncode, (workspace / "a").read_text()) == (0, "x\nx\n"), "files stay without --files"
    done = maos_sup("rollback", root, "first", "--files", "--yes")  # the records stand there already
    assert (done.returncode, (workspace / "a").read_text()) == (0, "x\n"), done.stderr
    done = maos_sup("redo", root, "--files", "--yes")
    assert (done.returncode, (workspace / "a").read_text()) == (0, "x\nx\n"), done.stderr
    assert one.stage.problems() == []


def test_a_call_does_not_wait_for_a_long_look(talk: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapping, "_LONGEST_WAIT_S", -1.0)
    one = talk(steps(use("bash", command="echo 1 > a"), use("bash", command="echo 2 > a"), finish()))
    assert one.stage.run("ann") == 0, one.stage.log()
    paths = one.stage.tree.agent("ann")
    taken = [*snapshots.every(paths)]
    assert taken[0].why == "task ann begins"
    assert [each.settling for each in taken if each.call is not None] in ([True], [True, True])
    last = snapshots.manifest_of(Store(one.stage.tree), taken[-1])
    assert Store(one.stage.tree).get(last.entries["a"].object) == b"2\n", "the end of the task is exact"


def test_a_task_begins_before_a_large_workspace_is_kept(talk: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapping, "_LONGEST_BEGIN_S", 0.0)
    one = talk(steps(use("bash", command="echo 1 > a"), finish()))
    paths = one.stage.tree.agent("ann")
    for number in range(3000):
        path = paths.workspace / f"d{number // 100}" / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n" * 9)
    assert one.stage.run("ann") == 0, one.stage.log()
    taken = [*snapshots.every(paths)]
    assert (taken[0].why, taken[0].settling) == ("task ann begins", True)
    assert (taken[-1].settling, taken[-1].files) == (False, 3001), "the end of the task is exact"
    before = snapshots.manifest_of(Store(one.stage.tree), taken[0])
    assert Store(one.stage.tree).get(before.entries["d29/2999"].object) == b"2999\n" * 9
    assert one.stage.problems() == []
