"""An alarm rings for what changes in any of its folders, once for each until it is set again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from maos_sup.system.alarms import FolderAlarm

PATIENCE_S = 60.0

pytestmark = pytest.mark.linux("inotify")


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    made = [tmp_path / name for name in ("one", "two")]
    for folder in made:
        folder.mkdir()
        (folder / "file").write_text("before")
    return made


@pytest.fixture
def alarm(folders: list[Path]) -> Iterator[FolderAlarm]:
    with closing(FolderAlarm()) as made:
        made.watch(names(folders))
        if not made.covers(names(folders)):
            pytest.skip("no inotify is left here")
        yield made


def names(folders: list[Path]) -> frozenset[str]:
    return frozenset(map(str, folders))


def append(folder: Path) -> None:
    with (folder / "file").open("a") as file:
        file.write("more")


CHANGES = {
    "a file grows": append,
    "a file comes": lambda folder: (folder / "new").touch(),
    "a file is replaced": lambda folder: (folder.parent / "other").replace(folder / "file"),
    "a file goes": lambda folder: (folder / "file").unlink(),
    "a file may be executed": lambda folder: (folder / "file").chmod(0o700),
    "a folder comes": lambda folder: (folder / "inner").mkdir(),
    "it is moved away": lambda folder: folder.rename(folder.parent / "moved"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_rings_when(change: str, alarm: FolderAlarm, folders: list[Path]) -> None:
    (folders[0].parent / "other").write_text("another")
    assert not alarm.wait(0)
    CHANGES[change](folders[1])
    assert alarm.wait(PATIENCE_S)


def test_a_folder_rings_once_until_it_is_watched_again(alarm: FolderAlarm, folders: list[Path]) -> None:
    append(folders[0])
    append(folders[0])
    assert alarm.wait(PATIENCE_S)
    append(folders[0])
    assert not alarm.wait(0)
    assert not alarm.covers(names(folders)) and alarm.covers(names(folders[1:]))
    alarm.watch(names(folders))
    assert alarm.covers(names(folders))
    append(folders[0])
    assert alarm.wait(PATIENCE_S)


def test_a_folder_that_is_watched_no_more_does_not_ring(alarm: FolderAlarm, folders: list[Path]) -> None:
    alarm.watch(names(folders[:1]))
    assert not alarm.covers(names(folders))
    alarm.wait(0)  # the kernel's word that it watches no more
    append(folders[1])
    assert not alarm.wait(0)


def test_a_folder_that_is_not_there_is_not_covered(alarm: FolderAlarm, folders: list[Path]) -> None:
    missing = [*folders, folders[0] / "missing"]
    alarm.watch(names(missing))
    assert alarm.covers(names(folders)) and not alarm.covers(names(missing))


def test_folder_that_came_in_the_place_of_another_rings(alarm: FolderAlarm, folders: list[Path]) -> None:
    """Its parent was renamed and made anew: nothing is told of what lay within."""
    within = [*folders, folders[0] / "inner" / "deep"]
    within[-1].mkdir(parents=True)
    assert alarm.wait(PATIENCE_S)
    within += [folders[0].parent, folders[0] / "inner"]
    alarm.watch(names(within))
    folders[0].rename(folders[0].parent / "old")
    within[2].mkdir(parents=True)
    while not alarm.covers(names(within)) or alarm.wait(0):
        alarm.watch(names(within))
    (folders[0].parent / "old" / "inner" / "deep" / "file").touch()
    assert not alarm.wait(0)
    (within[2] / "file").touch()
    assert alarm.wait(PATIENCE_S)
