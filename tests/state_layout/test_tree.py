"""Making, opening, finding and naming trees."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from crashing import POWER_LOSSES, Disk, crash

from state_layout.errors import BadInput, Locked, NotATree, StorageError, StorageFull
from state_layout.files import disk
from state_layout.files.locks import take_life_lock
from state_layout.paths import Tree
from state_layout.specs import read_specs
from state_layout.tree import identity, list_trees, open_tree
from state_layout.tree.making import UNFINISHED, create_tree

IS_LONG = "MAOS_SUP_TORTURE_ROUNDS" in os.environ
NOW = datetime(2026, 11, 21, 1, 42, 30, tzinfo=UTC)
SPECS: dict[str, Any] = {
    "orchestration": {"id": "x", "request": "r"},
    "agents": {"bob": {"kind": "command"}},
    "tasks": {"t1": {"agent": "bob"}},
}
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # 3.12; no thread of ours


@pytest.fixture(autouse=True)
def untapped() -> Iterator[None]:
    yield
    disk.tap(None)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "count.py"
    path.write_text("print(1)")
    return path


def make(root: Path, **more: Any) -> Tree:
    return create_tree(root, **{**SPECS, **more})


# -- making


def test_tree_is_whole_private_and_explains_itself(tmp_path: Path, source: Path) -> None:
    tree = make(tmp_path / "a" / "b", files={"count.py": source, "lib/deep/x.py": source})
    assert tree.format.read_bytes() == b"maos-sup 1\n"
    assert "resume" in tree.readme.read_text()
    assert (tree.files / "lib/deep/x.py").read_text() == "print(1)"
    assert read_specs(tree).errors == []
    for path in [tree.root, *tree.root.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    assert [path.name for path in tree.root.rglob(".*")] == []


def test_people_can_append_to_every_box_at_once(tmp_path: Path) -> None:
    tree = make(tmp_path / "tree")
    agents = {path.stem for path in tree.agent_specs.iterdir()}
    assert agents
    assert {path.name for path in tree.mail.iterdir()} == {"all", *agents}


def test_empty_folder_may_become_a_tree(tmp_path: Path) -> None:
    assert make(tmp_path).root == tmp_path


def test_folder_with_anything_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "spec").mkdir()
    (tmp_path / "spec" / "mine.rb").write_text("")
    with pytest.raises(BadInput, match=r"is not empty \(it holds 'spec'\); name a new or empty folder"):
        make(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["spec", "mine.rb"]


def test_tree_is_not_made_over_a_tree(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(BadInput, match="is an orchestration already; resume it or name another folder"):
        make(tmp_path, orchestration={"id": "y", "request": "other"})
    assert read_specs(open_tree(tmp_path)).specs.orchestration.id == "x"


def test_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(BadInput, match="is a file; name a new or empty folder"):
        make(tmp_path / "x")


@pytest.mark.parametrize(
    "name", ["all", "operator", "supervisor", "../../x", "A", "", "x" * 65, "a/b", "a\0", "a\n"]
)
def test_name_that_could_leave_the_tree_is_refused(tmp_path: Path, name: str) -> None:
    for key in ("agents", "tasks"):
        with pytest.raises(BadInput):
            make(tmp_path / "x", **{key: {name: {"kind": "command"}}})
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("rel", ["../x", "/etc/x", "a/../../x", "", ".", "a\0b"])
def test_file_that_would_leave_the_tree_is_refused(tmp_path: Path, source: Path, rel: str) -> None:
    with pytest.raises(BadInput, match=r"cannot be a path in spec/files; use a relative one without '\.\.'"):
        make(tmp_path / "x", files={rel: source})
    assert not (tmp_path / "x").exists()


def test_file_that_cannot_be_copied_is_named_before_anything_is_made(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none", tmp_path / "pipe", tmp_path):
        with pytest.raises(BadInput, match="is no file that can be copied"):
            make(tmp_path / "x", files={"f": path})
    assert not (tmp_path / "x").exists()


def test_two_makings_at_once_make_one(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    lock = take_life_lock(tmp_path / "x" / UNFINISHED)
    with pytest.raises(Locked, match="another process is making an orchestration here"):
        make(tmp_path / "x")
    lock.release()
    assert make(tmp_path / "x").format.exists()


# -- making, cut off


def whole_or_none(root: Path) -> bool:
    """A whole tree is at `root`; if not, a person is told so and can make it anew there."""
    try:
        tree = open_tree(root)
    except NotATree as error:
        assert re.search("is not there|is no orchestration|its making was cut off", str(error))
        return False
    read = read_specs(tree)
    assert (read.errors, [*read.specs.agents], [*read.specs.tasks]) == ([], ["bob"], ["t1"])
    assert (tree.files / "lib/x.py").read_text() == "print(1)"
    assert tree.readme.read_text()
    return True


@pytest.mark.parametrize("loss", [None, *POWER_LOSSES[:: 1 if IS_LONG else 2]])
def test_making_cut_off_at_any_disk_operation_leaves_a_whole_tree_or_none(
    tmp_path: Path, source: Path, loss: Any
) -> None:
    seen, number = set[bool](), 1
    while True:
        root = tmp_path / str(number)
        found = crash(lambda root=root: make(root, files={"lib/x.py": source}), at=number)
        if found is None:
            break
        if loss is not None:
            power_loss(found, loss, Tree(root))
        is_whole = whole_or_none(root)
        seen.add(is_whole)
        if not is_whole:
            make(root, files={"lib/x.py": source})
            assert whole_or_none(root)
            assert not (root / UNFINISHED).exists()
        number += 1
    assert number > 30
    assert seen == {True, False} or loss is not None
    assert whole_or_none(root)


def power_loss(found: Disk, loss: Any, tree: Tree) -> None:
    """As `loss`; a rename that is lost leaves the old name."""
    if loss is POWER_LOSSES[0] and tree.format in found.names and tree.format.exists():
        found.names.remove(tree.format)
        tree.format.rename(tree.root / UNFINISHED)
    loss(found)


def test_what_an_earlier_making_left_does_not_get_into_the_next(tmp_path: Path) -> None:
    half_made(tmp_path / "x", agents={"eve": {"kind": "command"}})
    tree = make(tmp_path / "x")
    assert [path.name for path in tree.agent_specs.iterdir()] == ["bob.json"]


def half_made(root: Path, **more: Any) -> None:
    def stop(operation: str, arguments: tuple[object, ...]) -> None:
        if operation == "rename":
            os._exit(7)

    child = os.fork()
    if child == 0:
        disk.tap(stop)
        try:
            make(root, **more)
        finally:
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_half_made_tree_is_no_tree_and_says_what_to_do(tmp_path: Path) -> None:
    half_made(tmp_path / "x")
    with pytest.raises(
        NotATree, match=r"its making was cut off; run the plan again into this folder, or remove it"
    ):
        open_tree(tmp_path / "x")
    assert list_trees(tmp_path) == []


def test_files_of_others_in_a_half_made_tree_are_not_removed(tmp_path: Path) -> None:
    half_made(tmp_path / "x")
    for name in ("mine.txt", "agents/bob.txt", "run/pid"):
        (tmp_path / "x" / name).write_text("mine")
        with pytest.raises(BadInput, match=r"is not empty|does not belong to a half-made orchestration"):
            make(tmp_path / "x")
        assert (tmp_path / "x" / name).read_text() == "mine"
        assert (tmp_path / "x" / "spec" / "agents" / "bob.json").exists()
        (tmp_path / "x" / name).unlink()
    make(tmp_path / "x")


def test_link_in_a_half_made_tree_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("")
    half_made(tmp_path / "x")
    (tmp_path / "x" / "spec" / "files" / "link").symlink_to(tmp_path / "mine")
    make(tmp_path / "x")
    assert (tmp_path / "mine" / "file").exists()


def test_folder_of_a_half_made_tree_that_became_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("")
    half_made(tmp_path / "x")
    (tmp_path / "x" / "spec").rename(tmp_path / "elsewhere")
    (tmp_path / "x" / "spec").symlink_to(tmp_path / "mine")
    with pytest.raises(BadInput, match="spec: does not belong to a half-made orchestration"):
        make(tmp_path / "x")
    assert (tmp_path / "mine" / "file").exists()


@pytest.mark.parametrize("operation", ["mkdir", "create", "write", "fsync", "rename"])
@pytest.mark.parametrize(("code", "expected"), [(errno.ENOSPC, StorageFull), (errno.EIO, StorageError)])
def test_failing_disk_is_reported_and_the_folder_can_be_used_later(
    tmp_path: Path, source: Path, operation: str, code: int, expected: type[StorageError]
) -> None:
    seen = 0

    def fail(name: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        seen += name == operation
        if (name == operation and seen > 2) or name == operation == "rename":
            raise OSError(code, os.strerror(code))

    disk.tap(fail)
    with pytest.raises(expected):
        make(tmp_path / "x", files={"f": source})
    disk.tap(None)
    left = {path.name for path in (tmp_path / "x").iterdir()}
    assert left <= {UNFINISHED}
    make(tmp_path / "x", files={"f": source})


# -- opening


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "reads ''; this is no orchestration of maos-sup"),
        (b"maos-sup", "reads 'maos-sup'; this is no"),
        (b"maos-sup x\n", "reads 'maos-sup x\\n'; this is no"),
        (b"maos-sup -1\n", "this is no orchestration"),
        (b"maos 1\n", "reads 'maos 1\\n'; this is no"),
        (b"\xff\0\xfe", "this is no orchestration"),
        (b"maos-sup 2\n", "format 2 is newer than 1, which this maos-sup knows; use a newer maos-sup"),
        (b"maos-sup 99999999999999\n", "format 999999999 is newer than 1"),
        ("maos-sup \u0661\n".encode(), "this is no orchestration"),
        (b"maos-sup 0\n", "there never was a format 0"),
        (b"x" * 5000, "has 5000 bytes; keep it below 4096"),
    ],
)
def test_format_that_is_not_ours_is_refused(tmp_path: Path, text: bytes, why: str) -> None:
    tree = make(tmp_path / "x")
    tree.format.write_bytes(text)
    with pytest.raises(NotATree) as raised:
        open_tree(tree.root)
    assert raised.value.exit_code == 10
    assert str(raised.value).startswith(f"{tree.format}: ")
    assert why in str(raised.value)


def test_format_that_is_no_file_never_hangs(tmp_path: Path) -> None:
    tree = make(tmp_path / "x")
    tree.format.unlink()
    os.mkfifo(tree.format)
    with pytest.raises(NotATree, match="FORMAT: is a pipe; put a regular file there"):
        open_tree(tree.root)
    assert list_trees(tmp_path) == []


def test_what_is_no_tree_is_told_apart(tmp_path: Path) -> None:
    tree = make(tmp_path / "x")
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    copy = tmp_path / "copy"
    (copy / "spec").mkdir(parents=True)
    (copy / "spec" / "orchestration.json").write_text("{}")
    for path, why in (
        (tmp_path / "none", "is not there; name the folder of an orchestration"),
        (tmp_path / "file", "is a file, not a folder"),
        (tmp_path / "empty", "is no orchestration: it has no FORMAT file"),
        (tmp_path / "y\0z", "is not there"),
        (tmp_path / ("y" * 300), "is not there"),
        (tree.agent_specs, f"is a part of the orchestration {tree.root}; name that"),
        (copy, "has no FORMAT file, so the copy of this orchestration is incomplete"),
    ):
        with pytest.raises(NotATree) as raised:
            open_tree(path)
        assert str(raised.value).startswith(f"{path}: {why}")


def test_tree_is_opened_through_links_and_relative_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = make(tmp_path / "x")
    (tmp_path / "link").symlink_to("x")
    monkeypatch.chdir(tmp_path)
    assert open_tree(Path("link")) == open_tree(Path("x")) == tree


def test_identity_stays_with_a_rename_and_is_new_in_a_copy(tmp_path: Path) -> None:
    tree, other = make(tmp_path / "x"), make(tmp_path / "y")
    before = identity(tree)
    assert before != identity(other)
    tree.root.rename(tmp_path / "z")
    assert identity(open_tree(tmp_path / "z")) == before
    with pytest.raises(NotATree, match="is gone"):
        identity(tree)
