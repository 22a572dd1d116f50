"""Older formats are brought up to date step by step, newer ones refused; frozen trees load for ever."""

from __future__ import annotations

import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from check_trees import TASKS, make_specs

from state_layout.check import check
from state_layout.errors import Locked, NotATree, StorageFull
from state_layout.files import atomic, codec, disk
from state_layout.files.journal import Reader
from state_layout.files.locks import take_life_lock
from state_layout.lives.attempts import begin_attempt, list_attempts, read_exit, recall
from state_layout.mail.inbox import Inbox
from state_layout.migrations import MIGRATIONS, check_version, migrate, version_of
from state_layout.paths import FORMAT_VERSION, Tree
from state_layout.specs import read_specs
from state_layout.tree import open_tree

FROZEN = Path(__file__).resolve().parents[1] / "trees"


def format_0(root: Path) -> Tree:
    """A tree of a format that never was: tasks were called jobs."""
    tree = make_specs(root)
    tree.task_specs.rename(tree.spec / "jobs")
    (tree.accepted / "tasks").rename(tree.accepted / "jobs")
    tree.format.write_bytes(b"maos-sup 0\n")
    return tree


def jobs_to_tasks(tree: Tree) -> None:
    """From format 0 to 1. Idempotent."""
    for folder in (tree.spec, tree.accepted):
        if (folder / "jobs").exists():
            disk.rename(folder / "jobs", folder / "tasks")
            atomic.fsync_folder(folder)


def nothing_new(tree: Tree) -> None:
    """A step that has nothing to do."""


def test_tree_of_this_format_is_left_alone(tmp_path: Path) -> None:
    tree = make_specs(tmp_path / "tree")
    before = tree.format.stat().st_mtime_ns
    assert migrate(tree) == []
    assert tree.format.stat().st_mtime_ns == before


def test_every_older_format_that_ever_was_has_a_migration() -> None:
    assert sorted(MIGRATIONS) == list(range(1, FORMAT_VERSION))


def test_older_tree_is_brought_up_to_date(tmp_path: Path) -> None:
    tree = format_0(tmp_path / "tree")
    assert migrate(tree, migrations={0: jobs_to_tasks}) == [0]
    assert version_of(tree) == FORMAT_VERSION
    assert set(read_specs(tree).specs.tasks) == set(TASKS)
    assert check(tree) == []
    assert migrate(tree, migrations={0: jobs_to_tasks}) == []


def test_steps_are_taken_one_after_the_other(tmp_path: Path) -> None:
    tree, steps = format_0(tmp_path / "tree"), list[str]()
    migrations = {
        0: lambda tree: steps.append(f"0 at {version_of(tree)}"),
        1: lambda tree: steps.append(f"1 at {version_of(tree)}"),
        2: lambda tree: steps.append(f"2 at {version_of(tree)}"),
    }
    assert migrate(tree, migrations=migrations, target=3) == [0, 1, 2]
    assert steps == ["0 at 0", "1 at 1", "2 at 2"]
    assert tree.format.read_bytes() == b"maos-sup 3\n"


@pytest.mark.parametrize("operation", ["rename", "fsync", "create", "write"])
@pytest.mark.parametrize("count", range(1, 5))
def test_migration_cut_off_anywhere_is_finished_by_the_next(
    operation: str, count: int, tmp_path: Path
) -> None:
    tree, seen = format_0(tmp_path / "tree"), 0
    migrations = {0: jobs_to_tasks, 1: nothing_new}

    def fail(name: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        seen += name == operation
        if name == operation and seen == count:
            raise OSError(28, "No space left on device")

    disk.tap(fail)
    try:
        migrate(tree, migrations=migrations, target=2)
    except (OSError, StorageFull):
        assert version_of(tree) in (0, 1, 2)
    finally:
        disk.tap(None)
    migrate(tree, migrations=migrations, target=2)
    assert version_of(tree) == 2
    assert sorted(path.name for path in tree.task_specs.iterdir()) == sorted(f"{task}.json" for task in TASKS)


@pytest.mark.parametrize("holder", ["supervisor", "agents/alice"])
def test_nothing_is_migrated_while_somebody_lives(holder: str, tmp_path: Path) -> None:
    tree = format_0(tmp_path / "tree")
    lock = take_life_lock(tree.root / holder / "lock")
    try:
        with pytest.raises(Locked):
            migrate(tree, migrations={0: jobs_to_tasks})
    finally:
        lock.release()
    assert version_of(tree) == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"maos-sup 2\n", "newer than 1"),
        (b"maos-sup 99999999999999999999999\n", "newer than 1"),
        (b"maos-sup 0\n", "there never was a format 0"),
        (b"maos-sup -1\n", "no orchestration"),
        (b"maos-sup \xd9\xa1\n", "no orchestration"),
        (b"maos-sup\n", "no orchestration"),
        (b"maos-sup 1 2\n", "no orchestration"),
        (b"other 1\n", "no orchestration"),
        (b"", "no orchestration"),
        (b"\xff\xfe\0", "no orchestration"),
        (b"x" * 5000, "keep it below"),
    ],
)
def test_what_is_no_tree_of_ours_is_refused(text: bytes, says: str, tmp_path: Path) -> None:
    tree = make_specs(tmp_path / "tree")
    tree.format.write_bytes(text)
    for refuses in (check_version, migrate, lambda tree: open_tree(tree.root)):
        with pytest.raises(NotATree, match=says):
            refuses(tree)
    assert tree.format.read_bytes() == text


def test_older_format_is_a_finding_of_check_and_nothing_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = format_0(tmp_path / "tree")
    monkeypatch.setattr("state_layout.check.check_version", version_of)
    assert [(found.finding, found.what) for found in check(tree)] == [
        ("bad_format", "is of the older format 0")
    ]
    assert version_of(tree) == 0


# The frozen tree of format 1: made once, by tests/trees/freeze.sh, and never again.

V1_SHA256 = "3a62fe56e01a42845da009af047d646139aab3bca84859cd1499a74aa36d0111"


@pytest.fixture
def frozen(tmp_path: Path) -> Tree:
    """A copy of the frozen tree, with the rights that a repository does not keep."""
    root = tmp_path / "v1"
    shutil.copytree(FROZEN / "v1", root, symlinks=True)
    for path in (root, *root.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return open_tree(root)


def test_frozen_tree_is_what_it_was() -> None:
    digest = sha256()
    for path in sorted(path for path in (FROZEN / "v1").rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(FROZEN)}\n".encode() + path.read_bytes())
    assert digest.hexdigest() == V1_SHA256, "restore it; a new format gets a folder of its own"


def test_frozen_tree_is_whole(frozen: Tree) -> None:
    assert check(frozen) == []


def test_frozen_tree_has_every_file_that_format_lists(frozen: Tree) -> None:
    names = {path.name for path in frozen.root.rglob("*")}
    assert {"FORMAT", "README.txt", "orchestration.json", "restored.json", "status.json", "lock"} <= names
    assert {"journal.jsonl", "checkpoint.0.json", "checkpoint.1.json", "exit.json"} <= names
    assert {"stdout.log", "stderr.log", "control.jsonl", "operator.jsonl", "alice.jsonl"} <= names
    assert {"bob-7c063435bbed.yes", "alice.jsonl.torn-1", "report.md", "count.sh"} <= names


def test_frozen_specs_are_read(frozen: Tree) -> None:
    read = read_specs(frozen)
    assert read.errors == []
    assert read.specs.orchestration.request == "Count the files and report"
    assert read.specs.agents["alice"].settings == {"command": ["sh", "count.sh"]}
    assert read.specs.tasks["report"].needs == ("count",)
    assert read.specs.tasks["count"].run == 2


def test_frozen_lives_are_recalled(frozen: Tree) -> None:
    alice, bob = recall(frozen, "alice"), recall(frozen, "bob")
    assert (alice.attempt, alice.history.seq, alice.notes) == (4, 41, [])
    count, report = alice.history.tasks["count"], bob.history.tasks["report"]
    assert (count.phase, count.run, count.attempts, count.result) == ("done", 2, 2, 3)
    assert (report.phase, report.run, report.attempts, report.result) == ("done", 1, 2, {"files": 3})
    assert alice.history.sent == {"bob": 6, "all": 6}
    assert alice.history.artifacts == ["count.txt"]
    assert alice.history.received == 3
    assert {key: mark[0] for key, mark in bob.history.marks.items()} == {"all/alice": 3, "bob/alice": 3}
    assert bob.history.state == {"seen": 6}
    exits = [read_exit(frozen, "alice", number) for number in list_attempts(frozen.agent("alice"))]
    assert [ended and ended["reason"] for ended in exits] == ["lost", "parked", "lost", "parked"]


@pytest.mark.parametrize("agent", ["alice", "bob"])
def test_frozen_lives_are_recalled_alike_without_checkpoints(agent: str, frozen: Tree) -> None:
    before = recall(frozen, agent).history.to_json()
    for path in frozen.root.rglob("attempts/*/checkpoint.*"):
        path.unlink()
    after = recall(frozen, agent).history.to_json()
    newer = {"mailed": None, "gains": None}  # what checkpoints of the former build do not tell
    assert {**after, **newer} == {**before, **newer}


def test_frozen_mail_is_read(frozen: Tree) -> None:
    inbox = Inbox(frozen, "bob", marks={})
    messages, _ = inbox.fetch()
    inbox.close()
    to_bob = [(each.sender, each.seq, each.type, each.text) for each in messages if each.to == "bob"]
    assert to_bob == [
        ("operator", 1, "info", "publish it, please"),
        ("alice", 1, "info", "one"),
        ("alice", 2, "info", "one"),
        ("alice", 3, "request", "two"),
        ("alice", 4, "info", "one"),
        ("alice", 5, "info", "one"),
        ("alice", 6, "request", "two"),
    ]
    to_all = [(each.sender, each.seq, each.text, each.body) for each in messages if each.to == "all"]
    assert to_all[0] == ("operator", 1, "once more", None)
    assert to_all[2] == ("alice", 2, None, {"files": 3})


def test_frozen_snapshots_and_budget_are_read(frozen: Tree) -> None:
    status = codec.decode_object(frozen.supervisor_status.read_bytes())
    assert (status["phase"], status["life"]) == ("done", 2)
    assert codec.decode_object(frozen.agent("alice").status.read_bytes())["attempt"] == 4
    types = [line.fields()["type"] for line in Reader(frozen.budget / "alice.jsonl")]
    assert types == ["reserve", "settle"]


def test_next_life_goes_on_from_the_frozen_one(frozen: Tree) -> None:
    recalled = recall(frozen, "alice")
    attempt = begin_attempt(frozen, "alice", recall=recalled, settings={})
    attempt.journal.close()
    assert (attempt.number, attempt.start.seq) == (5, 42)
    assert recall(frozen, "alice").history.seq == 42


@pytest.mark.parametrize("module", ["check", "migrations", "mail", "specs", "tree"])
def test_each_room_can_be_imported_first(module: str) -> None:
    """Importing `state_layout.check` before anything else failed: migrations and tree imported each other."""
    code = f"import state_layout.{module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
