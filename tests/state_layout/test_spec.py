"""Reading spec files: what is in force when files are bad, missing, odd or changing."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from state_layout.errors import BadInput, NotATree
from state_layout.paths import Tree
from state_layout.records import Want
from state_layout.shapes.shape import Argv, Field, Shape
from state_layout.specs import SpecCache, SpecsRead, accept, digest_of, read_specs, validate_spec_bytes
from state_layout.tree.making import create_tree

ORCHESTRATION = {"id": "x", "request": "r"}
AGENTS: dict[str, Any] = {"bob": {"kind": "command", "command": ["true"], "x_own": {"kept": 1}}}
TASKS: dict[str, Any] = {"t1": {"agent": "bob"}, "t2": {"agent": "bob", "needs": ["t1"]}}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return create_tree(tmp_path / "tree", orchestration=ORCHESTRATION, agents=AGENTS, tasks=TASKS)


@pytest.fixture
def accepted(tree: Tree) -> Tree:
    """A tree whose specs were accepted once."""
    accept_all(tree)
    return tree


def accept_all(tree: Tree) -> None:
    read = read_specs(tree)
    for rel in read.unaccepted:
        accept(tree, {rel: read.raw[rel]})


def write(path: Path, value: object) -> None:
    path.write_text(value if isinstance(value, str) else json.dumps(value))


def texts(read: SpecsRead) -> list[str]:
    return [error.text for error in read.errors]


def test_all_files_are_read_with_the_digests_of_their_bytes(tree: Tree) -> None:
    read = read_specs(tree)
    assert read.errors == []
    assert [*read.specs.agents] == ["bob"]
    assert [*read.specs.tasks] == ["t1", "t2"]
    assert read.specs.agents["bob"].settings == {"command": ["true"], "x_own": {"kept": 1}}
    rels = ["agents/bob.json", "orchestration.json", "tasks/t1.json", "tasks/t2.json"]
    assert sorted(read.digests) == sorted(read.raw) == sorted(read.unaccepted) == rels
    for rel in rels:
        data = (tree.spec / rel).read_bytes()
        assert (read.raw[rel], read.digests[rel]) == (data, digest_of(data))


def test_what_is_accepted_is_news_no_more(tree: Tree) -> None:
    accept_all(tree)
    assert read_specs(tree).unaccepted == []
    write(tree.task_spec("t1"), {"agent": "bob", "want": "pause"})
    assert read_specs(tree).unaccepted == ["tasks/t1.json"]


def test_bad_file_leaves_its_last_good_version_in_force(accepted: Tree) -> None:
    good = read_specs(accepted)
    write(accepted.agent_spec("bob"), '{"kind": "command",\n "want": "runn"}')
    read = read_specs(accepted)
    assert read.specs == good.specs
    assert read.digests == good.digests
    (error,) = read.errors
    assert error.to_json() == {
        "path": "spec/agents/bob.json",
        "line": 2,
        "key": "want",
        "text": "spec/agents/bob.json:2: 'want' is 'runn'; use run, pause or stop",
        "digest": digest_of(accepted.agent_spec("bob").read_bytes()),
    }


def test_bad_file_that_never_was_good_is_left_out_and_what_needs_it_is_told(accepted: Tree) -> None:
    write(accepted.agent_spec("eve"), "{")
    write(accepted.task_spec("t3"), {"agent": "eve"})
    write(accepted.task_spec("t4"), {"agent": "bob", "needs": ["t3"]})
    read = read_specs(accepted)
    assert ([*read.specs.agents], [*read.specs.tasks]) == (["bob"], ["t1", "t2"])
    assert [text.partition(": ")[0] for text in texts(read)] == [
        "spec/agents/eve.json:1",
        "spec/tasks/t3.json:1",
        "spec/tasks/t4.json:1",
    ]
    assert texts(read)[1:] == [
        "spec/tasks/t3.json:1: 'agent' is 'eve', whose file spec/agents/eve.json is bad; mend that one",
        "spec/tasks/t4.json:1: 'needs[0]' is 't3', whose file spec/tasks/t3.json is bad; mend that one",
    ]


def test_missing_file_is_an_error_and_ends_nothing(accepted: Tree) -> None:
    accepted.agent_spec("bob").unlink()
    read = read_specs(accepted)
    assert [*read.specs.agents] == ["bob"]
    assert texts(read) == [
        "spec/agents/bob.json: is missing, which ends nothing: the last good version stays in force; "
        "write it again (cp supervisor/accepted/agents/bob.json spec/agents/bob.json) and edit 'want'"
    ]
    assert (read.errors[0].line, read.errors[0].digest) == (0, None)


def test_missing_spec_folder_leaves_all_in_force(accepted: Tree, tmp_path: Path) -> None:
    good = read_specs(accepted).specs
    accepted.spec.rename(tmp_path / "gone")
    read = read_specs(accepted)
    assert read.specs == good
    why = "No such file or directory; make it a folder that this user may read"
    assert [text for text in texts(read) if "cannot be listed" in text] == [
        f"spec/agents: cannot be listed: {why}",
        f"spec/tasks: cannot be listed: {why}",
    ]


def test_file_in_place_of_a_folder_is_named(accepted: Tree, tmp_path: Path) -> None:
    accepted.task_specs.rename(tmp_path / "gone")
    write(accepted.task_specs, "")
    read = read_specs(accepted)
    assert [*read.specs.tasks] == ["t1", "t2"]
    assert "spec/tasks: cannot be listed: Not a directory; make it a folder that this user may read" in texts(
        read
    )


def test_orchestration_without_any_good_version_is_an_error(tree: Tree) -> None:
    write(tree.orchestration_spec, '{"id": "x",\n "request": 3}')
    with pytest.raises(BadInput) as raised:
        read_specs(tree)
    assert raised.value.problems == (
        "spec/orchestration.json:2: 'request' is 3; use text that says what is wanted",
    )
    tree.orchestration_spec.unlink()
    with pytest.raises(NotATree, match="is missing, with no good copy in supervisor/accepted"):
        read_specs(tree)


def test_bad_accepted_copy_is_not_used(accepted: Tree) -> None:
    write(accepted.accepted / "agents/bob.json", "{")
    assert read_specs(accepted).errors == []
    write(accepted.agent_spec("bob"), "}")
    read = read_specs(accepted)
    assert (read.specs.agents, read.specs.tasks) == ({}, {})
    assert [error.path for error in read.errors[:2]] == [
        "spec/agents/bob.json",
        "supervisor/accepted/agents/bob.json",
    ]


def test_accepted_copies_are_preferred_where_asked(accepted: Tree) -> None:
    write(accepted.agent_spec("bob"), {"kind": "command", "want": "pause"})
    write(accepted.task_spec("t9"), {"agent": "bob"})
    read = read_specs(accepted, accepted_first=True)
    assert read.specs.agents["bob"].want is Want.RUN
    assert "t9" in read.specs.tasks
    assert read_specs(accepted).specs.agents["bob"].want is Want.PAUSE


def test_edit_that_names_nobody_is_undone_until_it_is_mended(accepted: Tree) -> None:
    write(accepted.task_spec("t2"), '{"agent": "bob",\n "needs": [\n  "t1",\n  "tt"]}')
    read = read_specs(accepted)
    assert read.specs.tasks["t2"].needs == ("t1",)
    assert texts(read) == ["spec/tasks/t2.json:4: 'needs[1]' is 'tt', which is no task; use t1 or t2"]
    write(accepted.task_spec("t2"), {"agent": "bobb"})
    assert texts(read_specs(accepted)) == [
        "spec/tasks/t2.json:1: 'agent' is 'bobb', which is no agent; did you mean 'bob'?"
    ]


def test_circle_is_named_as_a_path_and_only_the_edit_is_undone(accepted: Tree) -> None:
    write(accepted.task_spec("t1"), '{"agent": "bob", "needs": ["t2"]}')
    read = read_specs(accepted)
    assert read.specs.tasks["t1"].needs == ()
    assert read.specs.tasks["t2"].needs == ("t1",)
    assert texts(read) == [
        "spec/tasks/t1.json:1: 'needs[0]' is 't2', so these wait for each other: t1 -> t2 -> t1; "
        "remove one of these needs"
    ]


def test_circle_that_was_never_good_leaves_out_all_of_it(tree: Tree) -> None:
    write(tree.task_spec("t1"), {"agent": "bob", "needs": ["t2"]})
    write(tree.task_spec("t3"), {"agent": "bob"})
    read = read_specs(tree)
    assert [*read.specs.tasks] == ["t3"]
    assert len(read.errors) == 2


def test_long_chain_of_needs_is_no_circle(tree: Tree) -> None:
    for number in range(1500):
        needs = [f"c{number - 1}"] if number else []
        write(tree.task_spec(f"c{number}"), {"agent": "bob", "needs": needs})
    assert read_specs(tree).errors == []


def test_agents_settings_are_checked_where_the_kinds_are_known(tree: Tree) -> None:
    kinds = {"command": Shape(fields={"command": Field(Argv(), required=True)})}
    write(tree.agent_spec("bob"), '{"kind": "command",\n "command": "ls"}')
    assert read_specs(tree).errors == []
    assert texts(read_specs(tree, kinds=kinds))[0].startswith(
        "spec/agents/bob.json:2: 'command' is 'ls'; use a list"
    )


# -- files that are none


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.symlink_to("/etc/passwd"), "is a symbolic link; put the file itself there"),
        (lambda path: path.symlink_to("nowhere"), "is a symbolic link; put the file itself there"),
        (lambda path: os.mkfifo(path), "is a pipe; put a regular file there"),
        (lambda path: path.mkdir(), "is a folder; put a regular file there"),
        (lambda path: path.write_bytes(b" " * ((1 << 20) + 1)), "has 1048577 bytes; keep it below 1048576"),
        (lambda path: path.write_bytes(b""), ":1: is empty; write a JSON object {...}"),
        (
            lambda path: path.write_bytes(b'{"kind":\n "caf\xe9"}'),
            ":2: has a byte that is not UTF-8; save the file as UTF-8",
        ),
        (lambda path: path.write_bytes(b"\xff\xfe{"), ":1: is UTF-16; save it as UTF-8"),
        (
            lambda path: path.write_bytes(b"\xef\xbb\xbf{}"),
            ":1: begins with a byte order mark; save it as UTF-8 without one",
        ),
        (
            lambda path: path.write_bytes(b'{"b": "{",\n"a":' + b'{"a":' * 990 + b"1" + b"}" * 991),
            ":2: is nested too deeply; make it flatter",
        ),
    ],
)
def test_thing_that_is_no_spec_file_never_hangs(
    accepted: Tree, make: Callable[[Path], object], why: str
) -> None:
    accepted.agent_spec("bob").unlink()
    make(accepted.agent_spec("bob"))
    read = read_specs(accepted)
    assert [*read.specs.agents] == ["bob"]
    colon = "" if why.startswith(":") else ": "
    assert texts(read) == [f"spec/agents/bob.json{colon}{why}"]


def test_socket_in_place_of_a_spec_file_is_refused(accepted: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    accepted.agent_spec("bob").unlink()
    monkeypatch.chdir(accepted.agent_specs)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("bob.json")
        assert "is a socket; put a regular file there" in texts(read_specs(accepted))[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_that_may_not_be_read_says_so(accepted: Tree) -> None:
    accepted.agent_spec("bob").chmod(0)
    assert texts(read_specs(accepted)) == [
        "spec/agents/bob.json: may not be read by this user; change its owner or mode"
    ]


def test_editors_leftovers_are_ignored_and_misnamed_files_reported(tree: Tree) -> None:
    for name in (
        ".bob.json.swp",
        "bob.json~",
        ".#bob.json",
        "#bob.json#",
        "4913",
        "notes.txt",
        ".x.json.tmp-1a",
    ):
        write(tree.agent_specs / name, "{")
    for name in ("Bob.json", "all.json", "x y.json", ".hidden.json", f"{'x' * 70}.json"):
        write(tree.agent_specs / name, {"kind": "command"})
    rule = "use 1 to 64 of a-z 0-9 _ -, the first a letter or digit"
    assert texts(read_specs(tree)) == [
        f"spec/agents/Bob.json: is ignored: file name 'Bob': {rule}",
        "spec/agents/all.json: is ignored: file name 'all': the name is reserved; "
        "use another than all, operator, supervisor",
        f"spec/agents/x y.json: is ignored: file name 'x y': {rule}",
        f"spec/agents/{'x' * 70}.json: is ignored: file name '{'x' * 70}': {rule}",
    ]


# -- reading again


def late_ns() -> int:
    return time.time_ns() + 10**12


def test_cache_gives_the_same_object_while_nothing_changes(accepted: Tree) -> None:
    cache = SpecCache(accepted, clock_ns=late_ns)
    first = cache.read()
    assert cache.read() is first
    write(accepted.task_spec("t1"), {"agent": "bob", "want": "skip"})
    second = cache.read()
    assert second.specs.tasks["t1"].want is Want.SKIP
    assert cache.read() is second


def test_cache_opens_only_what_changed(accepted: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = SpecCache(accepted, clock_ns=late_ns)
    cache.read()
    opened = list[str]()
    really_open = os.open

    def spy(path: Any, *arguments: Any, **more: Any) -> int:
        opened.append(Path(path).name)
        return really_open(path, *arguments, **more)

    monkeypatch.setattr(os, "open", spy)
    cache.read()
    assert opened == []
    write(accepted.task_spec("t2"), {"agent": "bob"})
    cache.read()
    assert opened == ["t2.json"]


def test_file_written_to_twice_within_its_time_stamp_is_not_missed(accepted: Tree) -> None:
    path = accepted.task_spec("t1")
    cache = SpecCache(accepted)
    for text in ('{"agent": "bob", "want": "skip"}', '{"agent": "bob", "want": "run" }') * 50:
        with path.open("r+") as file:  # the same inode and size, and often the same time stamp
            file.write(text)
            file.truncate()
        assert cache.read().raw["tasks/t1.json"] == text.encode()


def test_whether_a_file_changed_is_told_without_reading_it(accepted: Tree) -> None:
    cache = SpecCache(accepted, clock_ns=late_ns)
    cache.read()
    assert cache.is_current("orchestration.json", "agents/bob.json", "tasks/t1.json", "tasks/none.json")
    write(accepted.orchestration_spec, {**ORCHESTRATION, "want": "pause"})
    write(accepted.task_spec("none"), {"agent": "bob"})
    assert cache.is_current("agents/bob.json", "tasks/t1.json")
    assert not cache.is_current("orchestration.json")
    assert not cache.is_current("tasks/none.json")


def test_error_stays_the_same_object_for_the_same_bytes(accepted: Tree) -> None:
    """The supervisor judges a file bad when the same bytes fail twice."""
    cache = SpecCache(accepted)
    write(accepted.agent_spec("bob"), "{")
    first = cache.read().errors
    os.utime(accepted.agent_spec("bob"))
    assert cache.read().errors == first
    write(accepted.agent_spec("bob"), "{ ")
    assert cache.read().errors != first


@pytest.mark.parametrize(
    "path", ["spec/x.json", "spec/agents/../x.json", "spec/agents/all.json", "/etc/passwd", ""]
)
def test_path_that_is_no_spec_file_is_refused(path: str) -> None:
    (error,) = validate_spec_bytes(path, b"{}")
    assert error.text.endswith(
        "is no spec file; use spec/orchestration.json, spec/agents/NAME.json or spec/tasks/NAME.json"
    )
