"""Triggers wake whoever listens and bother nobody else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ready import is_ready

from state_layout.errors import StorageError
from state_layout.host.triggers import (
    LOOK_AFTER_S,
    MOST_OPEN,
    Heard,
    TriggerReader,
    TriggerWriter,
    pull,
    remove_triggers,
    trigger_folder,
    trigger_path,
)
from state_layout.paths import Tree


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime folder of this test's own."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A folder that stands for a tree."""
    (tmp_path / "tree").mkdir()
    return Tree(tmp_path / "tree")


def is_readable(reader: TriggerReader) -> bool:
    return is_ready(reader.fileno())


def test_pull_makes_the_reader_readable_until_it_is_drained(tree: Tree) -> None:
    reader = TriggerReader(tree, "bob")
    assert not is_readable(reader) and reader.drain() is False
    pull(tree, "bob")
    pull(tree, "bob")
    assert is_readable(reader)
    assert reader.drain() is True
    assert not is_readable(reader) and reader.drain() is False
    reader.close()


def test_pull_wakes_only_the_one_that_is_named(tree: Tree) -> None:
    alice, bob = TriggerReader(tree, "alice"), TriggerReader(tree, "bob")
    pull(tree, "bob")
    assert (is_readable(alice), is_readable(bob)) == (False, True)
    alice.close()
    bob.close()


def test_copy_is_not_woken(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    reader, copy = TriggerReader(tree, "bob"), TriggerReader(Tree(tmp_path / "copy"), "bob")
    pull(tree, "bob")
    assert (is_readable(reader), is_readable(copy)) == (True, False)
    reader.close()
    copy.close()


def test_pull_without_a_reader_does_nothing(tree: Tree, tmp_path: Path) -> None:
    pull(tree, "bob")
    TriggerReader(tree, "bob").close()
    pull(tree, "bob")
    pull(Tree(tmp_path / "nowhere"), "bob")


def test_pull_of_a_full_trigger_does_not_wait(tree: Tree) -> None:
    reader = TriggerReader(tree, "bob")
    os.write(reader.fileno(), bytes(65536))
    pull(tree, "bob")
    assert reader.drain() is True
    assert not is_readable(reader)
    reader.close()


def test_names_are_heard_and_anything_else_means_everything(tree: Tree) -> None:
    reader = TriggerReader(tree, "supervisor")
    assert reader.heard() == Heard()
    for name in ("ann", "bob", "ann"):
        pull(tree, "supervisor", about=name)
    assert reader.heard() == Heard(names=frozenset({"ann", "bob"}))
    pull(tree, "supervisor", about="ann")
    pull(tree, "supervisor")
    pull(tree, "supervisor", about="bob")
    assert reader.heard() == Heard(is_general=True)
    for said in (b"a", b"ann\n\n", b"Ann\n", b"\xff\n", b"../x\n"):
        os.write(reader.fileno(), said)
        assert reader.heard() == Heard(is_general=True)
    reader.close()


def test_so_many_names_that_one_may_be_missing_mean_everything(tree: Tree) -> None:
    reader = TriggerReader(tree, "supervisor")
    for number in range(1000):
        pull(tree, "supervisor", about=f"agent-{number}")
    assert reader.heard() == Heard(is_general=True)
    assert reader.heard() == Heard()
    reader.close()


def test_pull_writes_into_nothing_but_a_fifo(tree: Tree) -> None:
    trigger_folder(tree).mkdir(parents=True, mode=0o700)
    path = trigger_path(tree, "bob")
    path.write_bytes(b"")
    pull(tree, "bob")
    assert path.read_bytes() == b""


def test_second_reader_of_one_name_takes_over_the_same_fifo(tree: Tree) -> None:
    first = TriggerReader(tree, "bob")
    second = TriggerReader(tree, "bob")
    first.close()
    pull(tree, "bob")
    assert is_readable(second)
    second.close()


def test_what_stands_in_the_way_of_a_fifo_is_removed(tree: Tree) -> None:
    trigger_folder(tree).mkdir(parents=True, mode=0o700)
    trigger_path(tree, "bob").write_text("not a fifo")
    reader = TriggerReader(tree, "bob")
    assert stat.S_ISFIFO(reader.path.stat().st_mode)
    reader.close()


def test_removed_fifo_is_made_anew(tree: Tree) -> None:
    reader = TriggerReader(tree, "bob")
    assert reader.mend() is False
    reader.path.unlink()
    assert reader.mend() is True
    pull(tree, "bob")
    assert is_readable(reader)
    reader.close()


def test_removed_folder_is_made_anew(tree: Tree) -> None:
    reader = TriggerReader(tree, "bob")
    remove_triggers(tree)
    assert not trigger_folder(tree).exists()
    assert reader.mend() is True
    pull(tree, "bob")
    assert is_readable(reader)
    reader.close()


def test_reader_keeps_the_old_fifo_where_no_new_one_can_be_made(tree: Tree, runtime: Path) -> None:
    reader = TriggerReader(tree, "bob")
    remove_triggers(tree)
    trigger_folder(tree).parent.rmdir()
    trigger_folder(tree).parent.write_text("in the way")
    descriptor = reader.fileno()
    assert reader.mend() is False
    assert reader.fileno() == descriptor
    reader.close()


def test_folders_are_ours_alone(tree: Tree) -> None:
    TriggerReader(tree, "bob").close()
    for folder in (trigger_folder(tree), trigger_folder(tree).parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(trigger_path(tree, "bob").stat().st_mode) == 0o600


def test_folder_that_others_can_write_to_is_refused(tree: Tree) -> None:
    top = trigger_folder(tree).parent
    top.mkdir()
    top.chmod(0o777)
    with pytest.raises(StorageError, match="writable by others"):
        TriggerReader(tree, "bob")


def test_link_in_place_of_the_folder_is_refused(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    trigger_folder(tree).parent.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError):
        TriggerReader(tree, "bob")


def test_removing_triggers_keeps_what_is_no_trigger(tree: Tree) -> None:
    TriggerReader(tree, "bob").close()
    (trigger_folder(tree) / "note").write_text("mine")
    remove_triggers(tree)
    assert [path.name for path in trigger_folder(tree).iterdir()] == ["note"]
    remove_triggers(Tree(tree.root / "nowhere"))


def test_writer_that_keeps_triggers_open_wakes_each_reader_and_each_next_one(tree: Tree) -> None:
    writer, bob = TriggerWriter(tree), TriggerReader(tree, "bob")
    writer.pull("bob")
    assert bob.drain() is True
    bob.close()
    writer.pull("bob")  # nobody listens: no SIGPIPE, no error
    again = TriggerReader(tree, "bob")
    writer.pull("bob")
    assert again.drain() is True
    again.close()
    writer.close()


def test_writer_finds_a_trigger_that_was_removed_and_made_anew(tree: Tree) -> None:
    now_s = 100.0
    writer = TriggerWriter(tree, now=lambda: now_s)
    writer.pull("bob")  # not there yet
    bob = TriggerReader(tree, "bob")
    writer.pull("bob")
    assert bob.drain() is True
    bob.path.unlink()
    assert bob.mend() is True
    now_s += LOOK_AFTER_S
    writer.pull("bob")
    assert bob.drain() is True
    remove_triggers(tree)
    now_s += LOOK_AFTER_S
    writer.pull("bob")
    assert bob.drain() is False
    bob.close()
    writer.close()


def test_writer_writes_to_no_file_that_stands_in_place_of_a_trigger(tree: Tree) -> None:
    trigger_folder(tree).mkdir(parents=True, mode=0o700)
    trigger_path(tree, "bob").write_text("mine")
    TriggerWriter(tree).pull("bob")
    assert trigger_path(tree, "bob").read_text() == "mine"


def test_writer_keeps_few_triggers_open(tree: Tree) -> None:
    readers = [TriggerReader(tree, f"agent{number}") for number in range(MOST_OPEN + 3)]
    writer = TriggerWriter(tree)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only counted
    for _ in range(2):
        for reader in readers:
            writer.pull(reader.path.name)
    assert all(reader.drain() for reader in readers)
    assert len(os.listdir("/proc/self/fd")) == before + MOST_OPEN  # noqa: PTH208 - only counted
    writer.close()
    for reader in readers:
        reader.close()
