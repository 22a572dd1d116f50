"""Backups and everybody who is killed, cut off from power, or at work there at the same time."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from shutil import copytree, rmtree

import pytest
from crashing import POWER_LOSSES, crash, memory_folder
from disks import SmallDisk, small_disk
from kept_trees import contents, filled, grow, manifests, objects, segments
from orchestra import wait_for

from maos_sup.backups.folder import FolderStore
from maos_sup.backups.keeping import forget, prune
from maos_sup.backups.repository import BackupRepository
from maos_sup.backups.restoring import restore_backup
from maos_sup.backups.saving import back_up
from maos_sup.backups.verifying import verify_repository
from maos_sup.cli import main
from state_layout.files import disk
from state_layout.paths import Tree

ROUNDS = int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", "12"))


@pytest.fixture(autouse=True)
def untapped() -> Iterator[None]:
    yield
    disk.tap(None)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = filled(tmp_path / "tree")
    (made.agent("alice").workspace / "large").unlink()
    return made


def begun(repo: Path) -> BackupRepository:
    return BackupRepository.begun(FolderStore(repo))


def restored(repo: Path, name: str, root: Path) -> dict[str, object]:
    repository = begun(repo)
    restore_backup(repository, repository.manifest(repository.found(name)), root, is_durable=False)
    return contents(root)


def test_killed_or_cut_off_at_each_operation_it_is_there_whole_or_not(tree: Tree, tmp_path: Path) -> None:
    first = tmp_path / "first"
    back_up(tree, begun(first))
    before = contents(tree.root)
    grow(tree)
    after = contents(tree.root)
    [old] = [path.name for path in manifests(first)]
    rounds = 0
    for loss in (None, *POWER_LOSSES):
        for at in count(1):
            with memory_folder() as folder:
                repo = folder / "repo"
                copytree(first, repo)
                stopped = crash(lambda: back_up(tree, begun(repo)), at=at)  # noqa: B023
                if stopped is None:
                    break
                if loss is not None:
                    loss(stopped)
                _assert_whole(repo, {old: before}, after, tree)
                rounds += 1
    assert rounds > 60


def _assert_whole(repo: Path, known: dict[str, object], after: dict[str, object], tree: Tree) -> None:
    repository = begun(repo)
    assert verify_repository(repository, is_read=True).problems == []
    back = repo.parent / "back"
    for path in manifests(repo):
        assert restored(repo, path.name, back) == known.get(path.name, after)
        rmtree(back)
    made = back_up(tree, repository)
    prune(repository, sweep=FolderStore(repo).remove_leftovers)
    assert not [name for name in objects(repo) if ".tmp-" in name]
    verdict = verify_repository(repository, is_read=True)
    assert (verdict.problems, verdict.unused) == ([], 0)
    assert restored(repo, made.manifest.head.id, back) == after
    rmtree(back)


@pytest.mark.parametrize("act", ["forget", "prune"])
def test_who_takes_away_and_is_killed_takes_nothing_that_is_needed(
    tree: Tree, tmp_path: Path, act: str
) -> None:
    first = tmp_path / "first"
    for number in range(3):
        (tree.agent("alice").workspace / "nothing").write_bytes(os.urandom(500))
        grow(tree, f"t{number}-")
        back_up(tree, begun(first))
    if act == "prune":
        forget(begun(first), begun(first).names()[:2])
    for at in count(1):
        repo = tmp_path / f"repo{at}"
        copytree(first, repo)

        def take() -> None:
            repository = begun(repo)  # noqa: B023
            if act == "prune":
                prune(repository)
            else:
                forget(repository, repository.names()[:2])

        stopped = crash(take, at=at)
        assert verify_repository(begun(repo), is_read=True).problems == []
        assert restored(repo, "latest", tmp_path / "back") == contents(tree.root)
        rmtree(tmp_path / "back")
        rmtree(repo)
        if stopped is None:
            break


@pytest.mark.timeout(900)
def test_two_at_once_are_killed_at_random_instants(tree: Tree, tmp_path: Path) -> None:
    chance, repo = random.Random(5), tmp_path / "repo"
    states = {}
    command = [sys.executable, "-m", "maos_sup", "backup", str(tree.root), "--to", str(repo)]
    for number in range(ROUNDS):
        (tree.agent("alice").workspace / "big").write_bytes(chance.randbytes(1 << 20) * 8)
        grow(tree, f"r{number}-")
        known = {path.name for path in manifests(repo)} if repo.exists() else set()
        running = [
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(2)
        ]
        time.sleep(chance.uniform(0.02, 0.8))
        running[0].send_signal(signal.SIGKILL)
        if number % 3 == 0:
            time.sleep(chance.uniform(0, 0.2))
            running[1].send_signal(signal.SIGKILL)
        codes = [each.wait(120) for each in running]
        assert codes[1] in ((0,) if number % 3 else (0, -signal.SIGKILL))
        state = contents(tree.root)
        states |= {path.name: state for path in manifests(repo) if path.name not in known}
    assert main(["backup", str(tree.root), "--to", str(repo)]) == 0
    assert main(["backups", "verify", "--read", "--to", str(repo)]) == 0
    for name, state in states.items():
        assert restored(repo, name, tmp_path / "back") == state
        rmtree(tmp_path / "back")
    assert len(states) >= ROUNDS // 2
    prune(begun(repo), sweep=FolderStore(repo).remove_leftovers)
    assert verify_repository(begun(repo), is_read=True).problems == []


def test_restore_that_is_killed_leaves_nothing_in_the_place(tree: Tree, tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    back_up(tree, begun(repo))
    for at in count(1, 7):
        root = tmp_path / f"new{at}"

        def bring() -> None:
            repository = begun(repo)
            restore_backup(repository, repository.manifest(repository.found("latest")), root)  # noqa: B023

        if crash(bring, at=at) is None:
            break
        if not root.exists():
            bring()
        assert contents(root) == contents(tree.root)


def test_dry_run_makes_no_folder(tree: Tree, tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    assert main(["backup", str(tree.root), "--to", str(repo)]) == 0
    words = ["backups", "restore", "latest", "--to", str(repo), "-o", str(tmp_path / "a" / "b" / "c")]
    assert main([*words, "--dry-run"]) == 0
    assert not (tmp_path / "a").exists()
    assert main(words) == 0
    assert contents(tmp_path / "a" / "b" / "c") == contents(tree.root)


def test_without_check_every_byte_is_held_against_its_hash(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo, journal = tmp_path / "repo", tree.agent("alice").attempt(1).journal
    journal.write_bytes(journal.read_bytes().replace(b"count 1", b"count 9"))
    assert main(["backup", str(tree.root), "--to", str(repo)]) == 0
    words = ["backups", "restore", "latest", "--to", str(repo), "-o", str(tmp_path / "new")]
    assert main(words) == 12
    assert "what the backup holds is damaged" in capsys.readouterr().err
    assert main([*words, "--no-check"]) == 0
    assert contents(tmp_path / "new") == contents(tree.root)
    [segment] = segments(repo)
    segment.write_bytes(segment.read_bytes()[:-1] + b"x")
    assert main([*words[:-1], str(tmp_path / "other"), "--no-check"]) == 12
    assert not (tmp_path / "other").exists()


def test_prune_and_backup_keep_out_of_each_others_way(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = tmp_path / "repo"
    back_up(tree, begun(repo))
    monkeypatch.setattr("maos_sup.backups.folder._PATIENCE_S", 0.1)
    with FolderStore(repo).held(alone=False):
        assert main(["backups", "prune", "--to", str(repo)]) == 11
        assert "a backup, restore or verify is at work" in capsys.readouterr().err
        assert main(["backup", str(tree.root), "--to", str(repo)]) == 0
    with FolderStore(repo).held(alone=True):
        for command in (["backup", str(tree.root)], ["backups", "verify"], ["backups", "restore", "latest"]):
            assert main([*command, "--to", str(repo)]) == 11
        assert "a prune is at work" in capsys.readouterr().err
    assert main(["backups", "prune", "--to", str(repo)]) == 0


def test_full_disk_is_one_error_and_leaves_room_and_what_was_there(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path / "disk") as small:
        repo = small.folder / "repo"
        back_up(tree, begun(repo))
        before, state = objects(repo), contents(tree.root)
        (tree.agent("bob").workspace).mkdir(parents=True, exist_ok=True)
        (tree.agent("bob").workspace / "noise").write_bytes(os.urandom(40 << 20))
        assert main(["backup", str(tree.root), "--to", str(repo)]) == 1
        said = capsys.readouterr().err.splitlines()[-1]
        assert said.startswith(f"maos-sup: {repo}: no space left") and "repeat" in said
        assert objects(repo) == before
        assert main(["backups", "verify", "--read", "--to", str(repo)]) == 0
        assert restored(repo, "latest", tmp_path / "back") == state
        _fill_and_try(small, tree, repo, before)
        (tree.agent("bob").workspace / "noise").unlink()
        assert main(["backup", str(tree.root), "--to", str(repo)]) == 0


def _fill_and_try(small: SmallDisk, tree: Tree, repo: Path, before: list[str]) -> None:
    small.fill()
    assert main(["backup", str(tree.root), "--to", str(repo)]) == 1
    assert main(["backups", "restore", "latest", "--to", str(repo), "-o", str(small.folder / "x")]) == 1
    assert objects(repo) == before
    assert not (small.folder / "x").exists()
    assert main(["backups", "prune", "--to", str(repo)]) == 0
    small.make_room()


def test_repository_that_may_not_be_written_is_read(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path / "disk") as small:
        repo = small.folder / "repo"
        back_up(tree, begun(repo))
        subprocess.run(["mount", "-o", "remount,ro", str(small.folder)], check=True)
        grow(tree)
        for command in (["backup", str(tree.root)], ["backups", "forget", "latest"]):
            assert main([*command, "--to", str(repo)]) == 1
            said = capsys.readouterr().err.splitlines()[-1]
            assert "Read-only file system; mount it for writing" in said
        assert main(["backups", "list", "--to", str(repo)]) == 0
        assert main(["backups", "verify", "--read", "--to", str(repo)]) == 0
        assert main(["backups", "restore", "latest", "--to", str(repo), "-o", str(tmp_path / "new")]) == 0
        assert len(segments(repo)) == 1
        subprocess.run(["mount", "-o", "remount,rw", str(small.folder)], check=True)


def test_what_a_killed_restore_left_goes_with_the_next_and_of_a_living_one_nothing(
    tree: Tree, tmp_path: Path
) -> None:
    repo, place = tmp_path / "repo", tmp_path / "place"
    (tree.agent("alice").workspace / "noise").write_bytes(os.urandom(48 << 20))
    back_up(tree, begun(repo))
    place.mkdir()
    command = [sys.executable, "-m", "maos_sup", "backups", "restore", "latest", "--to", str(repo), "-o"]

    def caught() -> subprocess.Popen[bytes]:
        known = {*place.glob(".new.*/tree")}
        process = subprocess.Popen(
            [*command, str(place / "new")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(lambda: {*place.glob(".new.*/tree")} - known, "it writes", deadline_s=60)
        process.send_signal(signal.SIGSTOP)
        return process

    living, dead = caught(), caught()
    dead.kill()
    dead.wait()
    before = {*place.iterdir()}
    assert len(before) == 2
    assert main([*command[3:], str(place / "other")]) == 0
    assert before < {*place.iterdir()}  # those are of another place
    assert main([*command[3:], str(place / "new"), "--dry-run"]) == 0
    assert len([*place.glob(".*")]) == 1
    living.send_signal(signal.SIGCONT)
    assert living.wait(120) == 0
    assert {path.name for path in place.iterdir()} == {"new", "other"}
    assert contents(place / "new") == contents(tree.root)
