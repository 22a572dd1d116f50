"""Shared scopes: what is put is there, nobody's change is lost, and what cannot be kept is refused."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from state_layout.errors import BadInput, Damaged, Locked, Lost
from state_layout.files import codec
from state_layout.paths import Tree
from state_layout.scopes.lines import Version, version_of
from state_layout.scopes.names import (
    Scope,
    checked_key,
    file_name,
    key_of_file,
    owned_key,
    scope_of,
    shared_folder,
)
from state_layout.scopes.store import ScopeStore
from state_layout.scopes.telling import versions_of
from state_layout.scopes.values import LARGEST_VALUE_BYTES, checked_value, value_of_json


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "orchestration"


def test_value_that_one_put_is_what_the_other_gets(folder: Path) -> None:
    ann, bob = ScopeStore(folder, "ann"), ScopeStore(folder, "bob")
    assert bob.get("limits") is None
    written = ann.put("limits", {"n": [1, 2]})
    found = bob.get("limits")
    assert found is not None and found.value == {"n": [1, 2]}
    assert found.version == written.version == Version("ann", 1, found.line.end.h)


def test_compare_and_set_that_comes_too_late_names_who_won(folder: Path) -> None:
    ann, bob = ScopeStore(folder, "ann"), ScopeStore(folder, "bob")
    first = ann.put("n", 1).version
    bob.put("n", 2, over=first, why={"task": "plan", "run": 1, "step": "t3"})
    with pytest.raises(
        Lost, match=r"bob \(task plan, run 1, step t3\) won with version bob/1/.* it is now 2"
    ):
        ann.put("n", 9, over=first)
    with pytest.raises(Lost):
        ann.put("n", 9, over=None)
    assert bob.get("n").value == 2  # type: ignore[union-attr]
    assert ann.put("n", 3, over=ann.get("n").version).before.value == 2  # type: ignore[union-attr]
    with pytest.raises(Lost, match="it has no value now"):
        ann.put("other", 1, over=first)


def test_deleted_key_has_no_value_and_keeps_its_versions(folder: Path) -> None:
    ann = ScopeStore(folder, "ann")
    assert ann.delete("n") is None
    first = ann.put("n", 1).version
    with pytest.raises(Lost):
        ann.delete("n", over=None)
    ann.delete("n", over=first)
    assert ann.get("n") is None and ann.keys() == []
    with pytest.raises(Lost, match="ann deleted it"):
        ann.put("n", 2, over=first)
    ann.put("n", 3, over=None)
    told = versions_of(folder, "n")
    assert [each.get("value", "deleted") for each in told] == [1, "deleted", 3]
    assert [each["over"] for each in told] == [None, list(first), None]


def test_change_is_done_once_under_its_token(folder: Path) -> None:
    ann = ScopeStore(folder, "ann")
    first = ann.put("n", 1, token="t/1")
    ann.put("n", 2)
    again = ScopeStore(folder, "ann").put("n", 1, over=None, token="t/1")
    assert again.is_repeated and again.version == first.version
    assert ann.get("n").value == 2  # type: ignore[union-attr]
    assert ScopeStore(folder, "bob").put("n", 5, token="t/1").is_repeated is False  # another's token


def test_keys_are_listed_by_prefix_and_sorted(folder: Path) -> None:
    ann = ScopeStore(folder, "ann")
    for key in ("b/2", "a", "b/1", "c", "b/\U0010ffff", "B/3"):
        ann.put(key, 1)
    ann.delete("b/2")
    assert ann.keys("b/") == ["b/1", "b/\U0010ffff"]
    ann.put("b/0", 1)
    assert ann.keys("b/")[0] == "b/0"
    assert ann.keys() == ["B/3", "a", "b/0", "b/1", "b/\U0010ffff", "c"]


def test_processes_of_one_name_take_turns_in_one_file(folder: Path) -> None:
    one, two = ScopeStore(folder, "operator"), ScopeStore(folder, "operator")
    for n in range(4):
        (one if n % 2 else two).put("n", n)
    assert one.get("n").version.seq == 4  # type: ignore[union-attr]
    assert [path.name for path in folder.glob("*.jsonl")] == ["operator.jsonl"]


def test_file_that_was_replaced_is_read_anew(folder: Path) -> None:
    ann = ScopeStore(folder, "ann")
    ann.put("n", 1)
    before = (folder / "ann.jsonl").read_bytes()
    ann.put("n", 2)
    aside = folder / "new"
    aside.write_bytes(before)
    aside.rename(folder / "ann.jsonl")
    assert ann.get("n").value == 1  # type: ignore[union-attr]
    assert ann.put("n", 3).version.seq == 2


def rewritten(folder: Path, before: bytes) -> None:
    """The file is another one; the old one is still somewhere."""
    (folder.parent / "kept").hardlink_to(folder / "ann.jsonl")
    (folder / "new").write_bytes(before)
    (folder / "new").rename(folder / "ann.jsonl")


def moved_away(folder: Path, before: bytes) -> None:
    """The file is moved out of its folder, and one with its name comes."""
    (folder / "ann.jsonl").rename(folder.parent / "kept")
    (folder / "ann.jsonl").write_bytes(before)


def exchanged(folder: Path, before: bytes) -> None:
    """The whole folder is another one, with the same times."""
    times = folder.stat()
    folder.rename(folder.parent / "kept")
    folder.mkdir()
    (folder / "ann.jsonl").write_bytes(before)
    os.utime(folder, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("change", [rewritten, moved_away, exchanged])
def test_file_that_is_kept_elsewhere_is_read_anew(
    change: Callable[[Path, bytes], None], folder: Path
) -> None:
    ann, bob = ScopeStore(folder, "ann"), ScopeStore(folder, "bob")
    ann.put("n", 1)
    before = (folder / "ann.jsonl").read_bytes()
    ann.put("n", 2)
    time.sleep(0.1)  # the folder has settled
    assert bob.get("n").value == 2  # type: ignore[union-attr]
    change(folder, before)
    assert bob.get("n").value == 1  # type: ignore[union-attr]
    assert ann.put("n", 3).before.value == 1  # type: ignore[union-attr]


def test_writer_who_begins_in_a_settled_folder_is_seen(folder: Path) -> None:
    ann = ScopeStore(folder, "ann")
    ann.put("n", 1)
    time.sleep(0.1)
    assert ann.get("n").value == 1  # type: ignore[union-attr]
    ScopeStore(folder, "bob").put("n", 2)
    assert ann.put("n", 3).before.value == 2  # type: ignore[union-attr]


def test_torn_line_of_another_is_not_seen_and_its_writer_sets_it_aside(folder: Path) -> None:
    ann, bob = ScopeStore(folder, "ann"), ScopeStore(folder, "bob")
    ann.put("n", 1)
    with (folder / "ann.jsonl").open("ab") as file:
        file.write(b'{"seq":2,"at":"2026')
    assert bob.put("n", 2).before.value == 1  # type: ignore[union-attr]
    assert ScopeStore(folder, "ann").put("n", 3).before.value == 2  # type: ignore[union-attr]
    assert (folder / "ann.jsonl.torn-1").read_bytes() == b'{"seq":2,"at":"2026'


def test_line_that_others_replaced_is_never_set_aside(folder: Path) -> None:
    ScopeStore(folder, "ann").put("n", 1)
    ScopeStore(folder, "bob").put("n", 2)
    path = folder / "ann.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"value":1', b'"value":7'))
    for writer in ("ann", "bob"):
        with pytest.raises(Damaged, match="which was durable once"):
            ScopeStore(folder, writer).put("n", 3)
    assert not list(folder.glob("*.torn-*"))


def test_lock_that_is_held_for_long_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("state_layout.scopes.scope_lock.PATIENCE_S", 0.05)
    with ScopeStore(folder, "ann").locked(), pytest.raises(Locked, match="is it stopped"):
        ScopeStore(folder, "bob").put("n", 1)


def test_child_of_a_fork_has_a_lock_of_its_own(folder: Path) -> None:
    ann = ScopeStore(folder, "ann")
    ann.put("n", 1)
    child = os.fork()
    if child == 0:
        try:
            ann.put("n", ann.get("n").value + 1)  # type: ignore[union-attr]
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ann.put("n", 3).before.value == 2  # type: ignore[union-attr]


def circle() -> Any:
    inner: list[Any] = [1]
    inner.append({"again": inner})
    return {"a": inner}


DEEP: Any = [0]
for _ in range(120):
    DEEP = [DEEP]

REFUSED: tuple[tuple[str, object, str], ...] = (
    ("a set", {"a": [1, {2}]}, r"value\.a\[1\]: is of type set"),
    ("an object", {"a": object()}, r"value\.a: is of type object"),
    ("bytes", b"x", "value: is of type bytes"),
    ("a circle", circle(), r"value\.a\[1\]\.again: is a part of itself"),
    ("a key that is no text", {"a": {1: 2}}, r"value\.a: has the key 1, which is no text"),
    ("nan", [float("nan")], r"value\[0\]: JSON has no form for nan"),
    ("infinity", {"x": float("-inf")}, r"value\.x: JSON has no form for -inf"),
    ("a whole number too long", [1 << 80], r"value\[0\]: is a whole number beyond 64 bits"),
    ("too deep", DEEP, "is nested too deeply; use at most 100 levels"),
    ("too long", "x" * (LARGEST_VALUE_BYTES + 1), "value: has 1048579 bytes; use at most 1048576"),
)


@pytest.mark.parametrize(("value", "text"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_value_that_json_has_no_form_for_is_refused_with_its_place(
    value: object, text: str, folder: Path
) -> None:
    ann = ScopeStore(folder, "ann")
    ann.put("k", "before")
    with pytest.raises(BadInput, match=text):
        ann.put("k", value)
    assert ann.get("k").value == "before"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("123456789012345678901234567890", "value"),
        ('{"a": [1, -99999999999999999999]}', "value.a[1]"),
    ],
)
def test_whole_number_that_a_person_wrote_is_never_another_one(text: str, place: str) -> None:
    with pytest.raises(BadInput) as caught:
        value_of_json(text)
    assert str(caught.value) == f"{place}: is a whole number beyond 64 bits; keep it as text"


@pytest.mark.parametrize(
    "text", ["9223372036854775807", "0.1234567890123456789", "1e300", '"99999999999999999999"', "[]"]
)
def test_what_a_person_wrote_is_what_json_has(text: str) -> None:
    assert value_of_json(text) == json.loads(text)


def test_value_comes_back_as_json_has_it(folder: Path) -> None:
    value = {"é": [True, None, 1.5, -(1 << 63) + 1, "\x00", []], "": {}}
    ScopeStore(folder, "ann").put("k", value)
    assert ScopeStore(folder, "bob").get("k").value == value  # type: ignore[union-attr]
    assert codec.decode(checked_value((1, 2))) == [1, 2]


KEYS = (
    "..",
    ".",
    "a/../../b",
    "/etc/passwd",
    "é",
    "A",
    "a",
    "%41",
    "x" * 300,
    " ",
    "a\nb",
    "con",
    "-n",
    "'$(x)",
)


@pytest.mark.parametrize("key", KEYS)
def test_key_is_data_and_never_a_path(key: str, folder: Path) -> None:
    ann = ScopeStore(folder, "ann")
    ann.put(key, key)
    assert ann.keys() == [key]
    assert sorted(path.name for path in folder.iterdir()) == ["ann.jsonl", "lock"]
    if len(key) < 200:
        name = file_name(key)
        assert key_of_file(name) == key
        assert "/" not in name and not name.startswith(".")


def test_keys_that_differ_in_case_have_files_that_do_not_fold() -> None:
    names = {file_name(key).casefold() for key in ("Limits", "limits", "LIMITS")}
    assert len(names) == 3


@pytest.mark.parametrize(("key", "text"), [("", "1 to 1024"), ("x" * 1025, "1 to 1024"), ("a\0b", "NUL"),
                                           ("\ud800", "Unicode"), (7, "no text")])  # fmt: skip
def test_key_that_cannot_be_one_is_refused(key: object, text: str) -> None:
    with pytest.raises(BadInput, match=text):
        checked_key(key)


@pytest.mark.parametrize(
    "text", ["", "orchestration:x", "custom", "custom:", "custom:../x", "custom:A", "Custom:a", "custom:a:b",
             "agent:all", "task:", "global:x", "state", "custom:a/b", "custom:" + "x" * 65]
)  # fmt: skip
def test_scope_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="use orchestration, custom:NAME"):
        scope_of(text)


def test_scopes_that_look_alike_are_apart(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    scopes = [
        scope_of(text) for text in ("orchestration", "custom:orchestration", "custom:custom", "custom:lock")
    ]
    folders = {shared_folder(tree, scope) for scope in scopes}
    snapshots = {tree.state_snapshot(scope.sort, scope.owner) for scope in scopes}
    assert len(folders) == len(snapshots) == 4 and not folders & snapshots
    own = {owned_key(Scope(sort, "t"), run, "k") for sort in ("agent", "task", "session") for run in (1, 2)}
    assert len(own) == 4  # of a task each run has its own
    with pytest.raises(BadInput):
        checked_key(owned_key(Scope("task", "t"), 1, "k"))  # nobody can name it as a key


def test_version_is_read_as_it_is_shown() -> None:
    version = Version("20261121-x.ann", 7, "9c1be07f21aa")
    assert version_of(str(version)) == version == version_of(list(version))
    assert version_of("none") is None
    for bad in ("x", "a/b", "a/b/c", 7, [1]):
        with pytest.raises(BadInput, match="use one as 'state get' shows it"):
            version_of(bad)


def test_others_do_not_wait_while_a_new_process_reads_what_there_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = ScopeStore(folder, "ann")
    for n in range(20):
        ann.put("n", n, token=f"t{n}")
    late, real, was_held = ScopeStore(folder, "bob"), ScopeStore._read, list[bool]()

    def reading(store: ScopeStore, writer: str, file: object) -> bool:
        if store is late:
            was_held.append(store._lock._depth > 0)
        return real(store, writer, file)  # type: ignore[arg-type]

    monkeypatch.setattr(ScopeStore, "_read", reading)
    late.put("m", 1)
    assert was_held == [False]
    assert ScopeStore(folder, "ann").put("n", 5, token="t5").is_repeated
