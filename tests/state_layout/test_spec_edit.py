"""Editing spec files: checked first, unknown keys kept, hand edits respected, whole after any crash."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from crashing import POWER_LOSSES, Disk, crash

from state_layout.errors import BadInput, Locked, StorageError, StorageFull
from state_layout.files import disk
from state_layout.files.locks import editing
from state_layout.paths import Tree
from state_layout.shapes.shape import Argv, Field, Shape
from state_layout.specs import add_spec, edit_spec, read_specs
from state_layout.tree.making import create_tree

BOB = {"kind": "command", "newer": {"b": 1, "a": [2]}, "want": "run", "command": ["true"]}
NAME = "1 to 64 of a-z 0-9 _ -, the first a letter or digit, and not all, operator or supervisor"
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # 3.12; no thread of ours


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return create_tree(
        tmp_path / "tree",
        orchestration={"id": "x", "request": "r"},
        agents={"bob": BOB},
        tasks={"t1": {"agent": "bob"}, "t2": {"agent": "bob", "needs": ["t1"]}},
    )


@pytest.fixture(autouse=True)
def untapped() -> Iterator[None]:
    yield
    disk.tap(None)


def pause(value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "want": "pause"}


def content(path: Path) -> Any:
    return json.loads(path.read_text())


def leftovers(tree: Tree) -> list[str]:
    return [path.name for path in tree.root.rglob(".*.tmp-*")]


def test_one_key_changes_and_all_else_is_kept(tree: Tree) -> None:
    edit = edit_spec(tree, tree.agent_spec("bob"), pause)
    assert [*content(tree.agent_spec("bob")).items()] == [*{**BOB, "want": "pause"}.items()]
    assert (edit.path, edit.before, edit.after) == (tree.agent_spec("bob"), BOB, {**BOB, "want": "pause"})
    assert tree.agent_spec("bob").stat().st_mode & 0o777 == 0o600
    assert leftovers(tree) == []


def test_change_that_changes_nothing_leaves_the_file_alone(tree: Tree) -> None:
    path = tree.agent_spec("bob")
    path.write_text(json.dumps(BOB))
    before = path.stat()
    edit = edit_spec(tree, path, lambda value: {**value})
    assert edit.before == edit.after
    assert path.stat()[:7] == before[:7]  # not when it was read
    assert path.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize(
    ("rel", "changes", "problems"),
    [
        ("agents/bob.json", {"want": "runn"}, ["'want' is 'runn'; use run, pause or stop"]),
        (
            "agents/bob.json",
            {"kind": "", "env": 3},
            [f"'kind' is ''; use {NAME}", "'env' is 3; use a table {...} of keys and values"],
        ),
        (
            "agents/bob.json",
            {"command": "ls"},
            ["'command' is 'ls'; use a list like [\"python3\", \"count.py\"]"],
        ),
        (
            "orchestration.json",
            {"limits": {"hang_s": 0}},
            ["'limits.hang_s' is 0; use a number above 0 up to 1e+09"],
        ),
        ("tasks/t1.json", {"needs": ["t9"]}, ["'needs[0]' is 't9', which is no task; use t1 or t2"]),
        ("tasks/t1.json", {"agent": "bobby"}, ["'agent' is 'bobby', which is no agent; did you mean 'bob'?"]),
        (
            "tasks/t1.json",
            {"needs": ["t2"]},
            ["'needs[0]' is 't2', so these wait for each other: t1 -> t2 -> t1; remove one of these needs"],
        ),
        ("tasks/t1.json", {"x": float("nan")}, ["has no JSON form: JSON has no form for nan"]),
        ("tasks/t1.json", {"x": {1, 2}}, ["has no JSON form: Type is not JSON serializable: set"]),
    ],
)
def test_bad_change_is_refused_and_the_file_stays(
    tree: Tree, rel: str, changes: dict[str, Any], problems: list[str]
) -> None:
    path = tree.spec / rel
    before = path.read_bytes()
    kinds = {"command": Shape(fields={"command": Field(Argv())})}
    with pytest.raises(BadInput) as raised:
        edit_spec(tree, path, lambda value: {**value, **changes}, kinds=kinds)
    assert [*raised.value.problems] == [f"spec/{rel}: {text} (nothing was changed)" for text in problems]
    assert path.read_bytes() == before
    assert leftovers(tree) == []


def test_file_that_is_bad_already_is_not_overwritten(tree: Tree) -> None:
    tree.agent_spec("bob").write_text('{"kind": "command",\n "want": "runn"}')
    with pytest.raises(BadInput) as raised:
        edit_spec(tree, tree.agent_spec("bob"), pause)
    assert raised.value.problems == (
        "spec/agents/bob.json:2: 'want' is 'runn'; use run, pause or stop (nothing was changed)",
    )
    assert "runn" in tree.agent_spec("bob").read_text()


@pytest.mark.parametrize(("name", "remedy"), [("bobb", "did you mean 'bob'?"), ("zed", "use bob")])
def test_file_that_is_not_there_is_named_with_those_that_are(tree: Tree, name: str, remedy: str) -> None:
    with pytest.raises(BadInput) as raised:
        edit_spec(tree, tree.agent_spec(name), pause)
    assert raised.value.problems == (f"spec/agents/{name}.json: is not there; {remedy}",)


@pytest.mark.parametrize("rel", ["orchestration.json", "agents/bob.json"])
def test_file_that_was_removed_is_named_with_its_last_good_version(tree: Tree, rel: str) -> None:
    path = tree.spec / rel
    copy = tree.accepted_copy(path)
    copy.parent.mkdir(parents=True)
    path.rename(copy)
    with pytest.raises(BadInput) as raised:
        edit_spec(tree, path, pause)
    (text,) = raised.value.problems
    assert f": cp supervisor/accepted/{rel} spec/{rel} (or: maos-sup check --repair)" in text


def test_orchestrations_own_file_without_a_copy_is_not_to_be_added(tree: Tree) -> None:
    tree.orchestration_spec.unlink()
    with pytest.raises(BadInput, match=r"orchestration\.json: is not there; restore it from a copy"):
        edit_spec(tree, tree.orchestration_spec, pause)


def test_path_outside_of_spec_is_refused(tree: Tree) -> None:
    for path in (tree.format, tree.spec / "x.json", tree.agent_spec("../../x"), Path("/etc/passwd")):
        with pytest.raises(BadInput, match="is no spec file"):
            edit_spec(tree, path, pause)
        with pytest.raises(BadInput, match="is no spec file"):
            add_spec(tree, path, {})


def test_pipe_in_place_of_the_file_never_hangs(tree: Tree) -> None:
    tree.agent_spec("bob").unlink()
    os.mkfifo(tree.agent_spec("bob"))
    with pytest.raises(BadInput, match=r"spec/agents/bob\.json: is a pipe; put a regular file there"):
        edit_spec(tree, tree.agent_spec("bob"), pause)


# -- others write too


def test_hand_edit_in_between_is_kept(tree: Tree) -> None:
    path = tree.agent_spec("bob")

    def change(value: dict[str, Any]) -> dict[str, Any]:
        if "role" not in value:
            path.write_text(json.dumps({**value, "role": "by hand"}))
        return pause(value)

    edit_spec(tree, path, change)
    assert content(path) == {**BOB, "role": "by hand", "want": "pause"}


def test_hand_edit_at_the_last_moment_is_kept(tree: Tree) -> None:
    path = tree.agent_spec("bob")

    def write_before_the_sync(operation: str, arguments: tuple[object, ...]) -> None:
        if operation == "fsync" and "role" not in content(path):
            path.write_text(json.dumps({**BOB, "role": "by hand"}))

    disk.tap(write_before_the_sync)
    edit_spec(tree, path, pause)
    assert content(path) == {**BOB, "role": "by hand", "want": "pause"}
    assert leftovers(tree) == []


def test_file_removed_in_between_is_not_brought_back(tree: Tree) -> None:
    path = tree.agent_spec("bob")

    def change(value: dict[str, Any]) -> dict[str, Any]:
        path.unlink()
        return pause(value)

    with pytest.raises(BadInput, match="is not there"):
        edit_spec(tree, path, change)
    assert not path.exists()


def test_file_that_somebody_keeps_writing_is_given_up(tree: Tree) -> None:
    path = tree.agent_spec("bob")
    rounds = 0

    def change(value: dict[str, Any]) -> dict[str, Any]:
        nonlocal rounds
        rounds += 1
        path.write_text(json.dumps({**value, "role": str(rounds)}))
        return pause(value)

    with pytest.raises(BadInput, match="somebody keeps writing it; nothing was changed: try again"):
        edit_spec(tree, path, change)
    assert content(path) == {**BOB, "role": str(rounds)}


def test_commands_at_once_lose_no_edit(tree: Tree) -> None:
    def raise_run(value: dict[str, Any]) -> dict[str, Any]:
        return {**value, "run": value.get("run", 1) + 1}

    def many() -> None:
        for _ in range(15):
            edit_spec(tree, tree.task_spec("t1"), raise_run)

    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                many()
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert content(tree.task_spec("t1"))["run"] == 46


def test_edit_waits_for_another_command_and_says_so_when_it_takes_too_long(tree: Tree) -> None:
    with (
        editing(tree.spec_lock),
        pytest.raises(Locked, match="another command has been editing"),
        editing(tree.spec_lock, patience_s=0.05),
    ):
        pass


# -- adding


def test_file_is_added_whole_and_in_force(tree: Tree) -> None:
    edit = add_spec(tree, tree.agent_spec("eve"), {"kind": "command", "command": ["true"]})
    add_spec(tree, tree.task_spec("t3"), {"agent": "eve", "needs": ["t2"]})
    assert edit.before is None
    specs = read_specs(tree).specs
    assert specs.tasks["t3"].agent == "eve"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"agent": "eve"}, "'agent' is 'eve', which is no agent; use bob (nothing was changed)"),
        ({"agent": "bob", "needs": ["t3"]}, "'needs[0]' is 't3', so these wait for each other: t3 -> t3;"),
        ({}, "'agent' is missing; add"),
    ],
)
def test_bad_file_is_not_added(tree: Tree, value: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadInput) as raised:
        add_spec(tree, tree.task_spec("t3"), value)
    assert raised.value.problems[0].startswith(f"spec/tasks/t3.json: {problem}")
    assert not tree.task_spec("t3").exists()


def test_file_that_is_there_is_not_added_again(tree: Tree) -> None:
    with pytest.raises(BadInput, match="is there already; choose another name or edit it"):
        add_spec(tree, tree.task_spec("t1"), {"agent": "bob"})
    assert "needs" not in content(tree.task_spec("t1"))


# -- crashes and full disks


@pytest.mark.parametrize("loss", [None, *POWER_LOSSES])
def test_death_at_any_disk_operation_leaves_the_old_or_the_new_file(
    tree: Tree, loss: Callable[[Disk], None] | None
) -> None:
    path = tree.agent_spec("bob")
    wants, number = set[str](), 1
    while found := crash(lambda: edit_spec(tree, path, pause), at=number):
        if loss is not None:
            loss(found)
        assert read_specs(tree).errors == []
        wants.add(content(path)["want"])
        edit_spec(tree, path, lambda value: {**value, "want": "run"})
        assert content(path) == BOB
        number += 1
    assert number > 3
    assert "run" in wants
    assert content(path)["want"] == "pause"


@pytest.mark.parametrize("loss", [None, *POWER_LOSSES])
def test_death_at_any_disk_operation_adds_all_or_nothing(
    tree: Tree, loss: Callable[[Disk], None] | None
) -> None:
    path = tree.task_spec("t3")
    number = 1
    while found := crash(lambda: add_spec(tree, path, {"agent": "bob"}), at=number):
        if loss is not None:
            loss(found)
        assert read_specs(tree).errors == []
        assert not path.exists() or content(path) == {"agent": "bob"}
        path.unlink(missing_ok=True)
        number += 1
    assert number > 3
    assert content(path) == {"agent": "bob"}


@pytest.mark.parametrize("operation", ["create", "write", "fsync", "rename"])
@pytest.mark.parametrize(
    ("code", "expected"),
    [(errno.ENOSPC, StorageFull), (errno.EIO, StorageError), (errno.EROFS, StorageError)],
)
def test_failing_disk_leaves_the_old_file_and_no_leftover(
    tree: Tree, operation: str, code: int, expected: type[StorageError]
) -> None:
    def fail(name: str, arguments: tuple[object, ...]) -> None:
        if name == operation:
            raise OSError(code, os.strerror(code))

    disk.tap(fail)
    with pytest.raises(expected, match=r"bob\.json: cannot replace"):
        edit_spec(tree, tree.agent_spec("bob"), pause)
    disk.tap(None)
    assert content(tree.agent_spec("bob")) == BOB
    assert leftovers(tree) == []
    edit_spec(tree, tree.agent_spec("bob"), pause)


def test_clean_up_that_fails_does_not_hide_why(tree: Tree) -> None:
    def fail(name: str, arguments: tuple[object, ...]) -> None:
        if name in ("create", "unlink"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    disk.tap(fail)
    with pytest.raises(StorageError, match="cannot replace: Read-only file system"):
        edit_spec(tree, tree.agent_spec("bob"), pause)
