"""Whole-file writes: old or new, never a mixture, at every point where a process or the power can stop."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from crashing import POWER_LOSSES, Loss, at_each_crash, lose

from state_layout.errors import StorageError, StorageFull
from state_layout.files import atomic, disk

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # 3.12; no thread of ours
OLD, NEW = b"old" * 1000, b"new" * 2000
LOSSES = pytest.mark.parametrize(
    "loss", [None, *POWER_LOSSES], ids=lambda loss: loss.__name__ if loss else "kill"
)


@pytest.fixture(autouse=True)
def untapped() -> Iterator[None]:
    yield
    disk.tap(None)


@pytest.mark.parametrize(
    ("name", "remedy"), [("x" * 300, "take a shorter path"), ("file", "something else stands there")]
)
def test_folder_that_cannot_be_looked_at_or_made_is_one_clear_error(
    tmp_path: Path, name: str, remedy: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=f"cannot create folder: .*; {remedy}"):
        atomic.make_folder(tmp_path / name)


def fail(operation: str, code: int = errno.ENOSPC) -> None:
    def tap(name: str, arguments: tuple[object, ...]) -> None:
        if name == operation:
            raise OSError(code, os.strerror(code))

    disk.tap(tap)


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not atomic.is_temporary(path.name))


@pytest.mark.parametrize(
    ("write", "loss"),
    [(atomic.refresh, None), (atomic.replace, None), *((atomic.replace, loss) for loss in POWER_LOSSES)],
)
def test_replaced_file_is_old_or_new_wherever_it_stops(
    write: Callable[[Path, bytes], None], loss: Loss | None
) -> None:
    def act(folder: Path) -> None:
        atomic.replace(folder / "f", OLD)
        write(folder / "f", NEW)

    def check(folder: Path) -> None:
        if (folder / "f").exists():
            assert (folder / "f").read_bytes() in {OLD, NEW}

    assert at_each_crash(act, check, loss=loss) >= 8


@LOSSES
def test_replace_is_durable_when_it_returns(loss: Loss | None) -> None:
    def act(folder: Path) -> None:
        atomic.replace(folder / "f", OLD)
        atomic.replace(folder / "f", NEW)
        (folder / "done").touch()
        atomic.replace(folder / "other", b"")

    def check(folder: Path) -> None:
        if (folder / "done").exists():
            assert (folder / "f").read_bytes() == NEW

    at_each_crash(act, check, loss=loss)


@LOSSES
def test_file_created_once_is_whole_or_not_there(loss: Loss | None) -> None:
    def act(folder: Path) -> None:
        assert atomic.create_once(folder / "f", OLD)
        (folder / "done").touch()
        assert not atomic.create_once(folder / "f", NEW)

    def check(folder: Path) -> None:
        found = (folder / "f").read_bytes() if (folder / "f").exists() else None
        assert found in {None, OLD}
        if (folder / "done").exists():
            assert found == OLD

    assert at_each_crash(act, check, loss=loss) >= 8


def test_second_creator_makes_the_first_ones_name_durable() -> None:
    """The first was killed between link and sync; who is told that the file exists may depend on it."""

    def act(folder: Path) -> None:
        (folder / "aside").write_bytes(OLD)
        disk.link(folder / "aside", folder / "f")
        assert not atomic.create_once(folder / "f", NEW)
        (folder / "done").touch()
        disk.unlink(folder / "aside")

    def check(folder: Path) -> None:
        if (folder / "done").exists():
            assert (folder / "f").exists()

    at_each_crash(act, check, loss=lose)


def test_folders_are_durable_with_their_parents() -> None:
    def act(folder: Path) -> None:
        atomic.make_folder(folder / "a" / "b" / "c")
        (folder / "done").touch()
        atomic.make_folder(folder / "d")

    def check(folder: Path) -> None:
        if (folder / "done").exists():
            assert (folder / "a" / "b" / "c").is_dir()

    at_each_crash(act, check, loss=lose)


def test_many_makers_of_one_folder_do_not_disturb_each_other(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            atomic.make_folder(tmp_path / "a" / "b" / "c")
        except BaseException as error:  # noqa: BLE001 - shown below
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_file_in_the_way_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(StorageError, match="cannot create folder"):
        atomic.make_folder(tmp_path / "a")


@pytest.mark.parametrize("operation", ["create", "write", "fsync", "rename"])
def test_replace_that_fails_leaves_the_old_file_and_nothing_else(operation: str, tmp_path: Path) -> None:
    atomic.replace(tmp_path / "f", OLD)
    fail(operation)
    with pytest.raises(StorageFull, match="f: cannot replace: no space left"):
        atomic.replace(tmp_path / "f", NEW)
    assert os.listdir(tmp_path) == ["f"]  # noqa: PTH208 - temporary files too
    assert (tmp_path / "f").read_bytes() == OLD


@pytest.mark.parametrize("operation", ["create", "write", "fsync", "link"])
def test_creation_that_fails_leaves_nothing(operation: str, tmp_path: Path) -> None:
    fail(operation, errno.EIO)
    with pytest.raises(StorageError, match="Input/output error"):
        atomic.create_once(tmp_path / "f", NEW)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - temporary files too


def test_error_is_told_even_if_the_rest_cannot_be_removed(tmp_path: Path) -> None:
    def tap(name: str, arguments: tuple[object, ...]) -> None:
        if name in {"write", "unlink"}:
            raise OSError(errno.EIO, name)

    disk.tap(tap)
    with pytest.raises(StorageError, match="cannot replace: write"):
        atomic.replace(tmp_path / "f", NEW)
    disk.tap(None)
    assert visible(tmp_path) == []


def test_only_one_of_many_creators_wins(tmp_path: Path) -> None:
    won: list[int] = []

    def work(number: int) -> None:
        if atomic.create_once(tmp_path / "f", b"%d" % number):
            won.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert (tmp_path / "f").read_bytes() == b"%d" % won[0]
    assert visible(tmp_path) == ["f"]


def test_files_and_folders_are_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        atomic.make_folder(tmp_path / "d")
        atomic.replace(tmp_path / "d" / "f", NEW)
        atomic.create_once(tmp_path / "d" / "g", NEW)
    finally:
        os.umask(before)
    modes = [
        path.stat().st_mode & 0o777 for path in (tmp_path / "d", tmp_path / "d" / "f", tmp_path / "d" / "g")
    ]
    assert modes == [0o700, 0o600, 0o600]


@pytest.mark.parametrize(
    ("name", "answer"), [(".f.tmp-1a2b3c4d", True), ("f", False), (".f.swp", False), ("f.tmp-1", False)]
)
def test_names_of_temporary_files(name: str, answer: bool) -> None:
    assert atomic.is_temporary(name) is answer


def test_link_to_a_link_is_a_link(tmp_path: Path) -> None:
    """With Python 3.14 and on a Mac it led to a second name of what the link leads to."""
    (tmp_path / "file").write_bytes(OLD)
    (tmp_path / "name").symlink_to("file")
    disk.link(tmp_path / "name", tmp_path / "other")
    assert (tmp_path / "other").is_symlink()
    assert (tmp_path / "file").stat().st_nlink == 1
