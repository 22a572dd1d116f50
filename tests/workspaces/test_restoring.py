"""Snapshots and restores of workspaces: everything comes back, whenever it is killed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from maos_sup.workspaces import restoring, snapshots
from maos_sup.workspaces.restoring import finish, restore
from maos_sup.workspaces.snapshots import WORKTREE, Camera, Snapshot, collect, manifest_of
from maos_sup.workspaces.store import Store
from state_layout.errors import Damaged
from state_layout.files import disk
from state_layout.paths import Tree
from state_layout.records import Keep

ROUNDS = int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", "0")) or 10
Picture = dict[str, tuple[int, int, bytes]]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    root = tmp_path / "tree"
    (root / "agents" / "ann" / "worktree").mkdir(parents=True)
    return Tree(root)


def fill(root: Path, seed: int) -> None:
    """Files, links, modes, empty folders, a nested repository, odd names, CRLF, binary: some of each."""
    chance = random.Random(seed)
    for number in range(30):
        path = root / f"d{chance.randrange(4)}" / f"f{number}"
        path.parent.mkdir(exist_ok=True)
        if chance.random() < 0.7:
            path.write_bytes(chance.randbytes(chance.randrange(200)) + b"\r\n")
            path.chmod(chance.choice([0o644, 0o755, 0o600, 0o444]))
        elif chance.random() < 0.5:
            path.symlink_to(chance.choice(["f1", "/nowhere", "../d1"]))
        else:
            path.mkdir()
    (root / "x.ignored").write_text(str(seed))
    (root / ".gitattributes").write_text("* text=auto working-tree-encoding=UTF-16\n")
    (root / os.fsdecode(b"odd \xff\n name")).write_text(str(seed))
    (root / "nested" / ".git" / "hooks").mkdir(parents=True)
    (root / "nested" / ".git" / "HEAD").write_text(f"ref: refs/heads/{seed}\n")
    (root / ".git").write_text("gitdir: elsewhere\n")
    (root / "node_modules").mkdir()
    (root / "node_modules" / "m").write_text(str(seed))


def clear(root: Path) -> None:
    for path in root.iterdir():
        if path.name not in (".git", "node_modules"):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def picture(root: Path) -> Picture:
    found = {}
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = Path(folder) / name
            at = path.lstat()
            data = str(path.readlink()).encode() if path.is_symlink() else b""
            data = path.read_bytes() if not path.is_symlink() and path.is_file() else data
            mtime_ns = 0 if path.is_dir() and not path.is_symlink() else at.st_mtime_ns
            found[str(path.relative_to(root))] = (at.st_mode, mtime_ns, data)
    return found


def take(tree: Tree) -> Snapshot:
    return Camera(tree, "ann", WORKTREE).take(why="test", seq=1)


def in_child(work: Callable[[], object], tap: disk.Tap | None) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            disk.tap(tap)
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed_at(operation: int) -> disk.Tap:
    seen = 0

    def tap(name: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        seen += 1
        if seen >= operation:
            os.kill(os.getpid(), signal.SIGKILL)

    return tap


def test_everything_comes_back_as_it_was_and_redo_undoes_it(tree: Tree) -> None:
    root = tree.agent("ann").worktree
    fill(root, 1)
    first, before = take(tree), picture(root)
    clear(root)
    fill_again = root / "d1"
    fill_again.write_text("a file where a folder was")
    (root / "new.txt").write_text("new")
    after = picture(root)
    kept = restore(tree, "ann", first, ())
    assert picture(root) == before
    restore(tree, "ann", kept, ())
    assert picture(root) == after
    assert first.excluded == 1
    assert first.left_out == ("node_modules",)
    assert (root / "node_modules" / "m").read_text() == "1"


def test_one_path_goes_back_and_nothing_else(tree: Tree) -> None:
    root = tree.agent("ann").worktree
    (root / "a").mkdir()
    for name in ("a/1", "a/2", "b"):
        (root / name).write_text("old")
    first = take(tree)
    for name in ("a/1", "b"):
        (root / name).write_text("new!")
    (root / "a/2").unlink()
    (root / "a/3").write_text("new")
    restore(tree, "ann", first, ("a",))
    assert sorted(path.name for path in (root / "a").iterdir()) == ["1", "2"]
    assert (root / "b").read_text() == "new!"


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_restore_that_was_killed_is_finished_by_the_next(tree: Tree, seed: int) -> None:
    root, chance = tree.agent("ann").worktree, random.Random(seed)
    fill(root, seed)
    first, old = take(tree), picture(root)
    clear(root)
    fill_more(root, seed + 1000)
    new = picture(root)
    for operation in (chance.randrange(1, 90), chance.randrange(1, 60)):
        in_child(lambda: finish(tree, "ann") or restore(tree, "ann", first, ()), killed_at(operation))
    finish(tree, "ann")
    assert restoring.under_way(tree.agent("ann")) is None
    shown = picture(root)
    assert shown in (old, new), "the old or the new state, never between"
    if shown == old:
        back = [one for one in snapshots.every(tree.agent("ann")) if one.why.startswith("before restore")]
        restore(tree, "ann", back[0], ())
        assert picture(root) == new


def fill_more(root: Path, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(20):
        path = root / f"d{chance.randrange(4)}" / f"f{number}"
        if not path.parent.exists():
            path.parent.mkdir()
        path.write_bytes(chance.randbytes(50))
    (root / "untracked").write_text(str(seed))


def test_a_link_in_the_place_of_a_folder_is_not_entered(tree: Tree, tmp_path: Path) -> None:
    root, outside = tree.agent("ann").worktree, tmp_path / "outside"
    (root / "a").mkdir()
    (root / "a" / "f").write_text("of the agent")
    first = take(tree)
    outside.mkdir()
    (outside / "f").write_text("of the user")
    shutil.rmtree(root / "a")
    (root / "a").symlink_to(outside)
    restore(tree, "ann", first, ())
    assert (outside / "f").read_text() == "of the user"
    assert [path.name for path in outside.iterdir()] == ["f"]
    assert (root / "a" / "f").read_text() == "of the agent"
    assert not (root / "a").is_symlink()


def test_a_lost_content_is_said_before_anything_changes(tree: Tree) -> None:
    root = tree.agent("ann").worktree
    (root / "a").write_text("old")
    first = take(tree)
    (root / "a").write_text("newer")
    lost = next(path for name, path in Store(tree).names() if Store(tree).get(name) == b"old")
    lost.unlink()
    with pytest.raises(Damaged, match="it is lost"):
        restore(tree, "ann", first, ())
    assert (root / "a").read_text() == "newer"


def test_git_reads_the_store(tree: Tree, tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("no git here")
    import subprocess

    root = tree.agent("ann").worktree
    (root / "a").write_text("words\r\n")
    name = manifest_of(Store(tree), take(tree)).entries["a"].object
    argv = ["git", f"--git-dir={tree.workspaces}", "cat-file", "blob", name]
    assert subprocess.run(argv, check=True, capture_output=True).stdout == b"words\r\n"


def test_what_is_not_kept_goes_and_the_rest_stays(tree: Tree) -> None:
    root = tree.agent("ann").worktree
    for number in range(12):
        (root / "a").write_text(f"{number} " * 500)
        take(tree)
        later = time.time_ns() + number * 1_000_000
        os.utime(root / "a", ns=(later, later))
    store = Store(tree)
    before = store.size_bytes()
    for _, path in store.names():
        os.utime(path, (0, 0))
    removed, freed = collect(tree, Keep(last=3, hourly=0, daily=0))
    assert removed >= 8
    assert 0 < freed < before
    for one in snapshots.every(tree.agent("ann")):
        for entry in manifest_of(store, one).entries.values():
            store.get(entry.object)
    assert len(snapshots.numbers(tree.agent("ann"))) == 3


def test_the_store_stays_below_its_cap(tree: Tree) -> None:
    root = tree.agent("ann").worktree
    for number in range(6):
        (root / "a").write_bytes(random.Random(number).randbytes(20_000))
        take(tree)
    for _, path in Store(tree).names():
        os.utime(path, (0, 0))
    collect(tree, Keep(), most_bytes=70_000)
    assert Store(tree).size_bytes() <= 70_000
    assert snapshots.numbers(tree.agent("ann"))[-1] == 6


def test_what_was_kept_for_a_later_checkpoint_is_not_of_an_earlier_one(tree: Tree) -> None:
    paths, taken = tree.agent("ann"), []
    for why in ("task a ended", "checkpoint 2"):
        (paths.worktree / "a").write_text(why)
        taken.append(Camera(tree, "ann", WORKTREE).take(why=why, seq=5, attempt=1).number)
    found = [snapshots.at_line(paths, 1, 5, checkpoint=number) for number in (1, 2)]
    assert [one and one.number for one in found] == taken


@pytest.mark.parametrize("text", ["{}", '{"target":"1","paths":[]}', '{"target":1,"paths":[1]}', "[]", "{"])
def test_a_record_of_a_restore_that_is_none_is_named(tree: Tree, text: str) -> None:
    own = tree.agent("ann")
    own.restoring.mkdir(parents=True)
    (own.restoring / restoring.RESTORING).write_text(text)
    with pytest.raises(Damaged, match=rf"{restoring.RESTORING}: cannot be read .*; remove it"):
        finish(tree, "ann")
