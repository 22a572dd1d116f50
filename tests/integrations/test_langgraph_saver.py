"""The saver beyond the suite: any id, any value, other processes, cost, damage, what a person sees."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph_threads import config, delta_chain, listed, put

from maos_sup.integrations.langgraph import TreeSaver
from maos_sup.integrations.langgraph.threads import MOST_OPEN
from maos_sup.integrations.shared_journal import JOURNAL
from state_layout.check import Finding, check
from state_layout.errors import BadInput, Damaged, NotATree
from state_layout.files import disk
from state_layout.tree.making import create_tree

NAUGHTY = ["", ".", "..", "../../etc/passwd", "/etc/passwd", "a/b", "a\0b", "x" * 5000, "Ünï 🦄", "-rf", "~"]


def journals(saver: TreeSaver) -> list[Path]:
    return sorted((saver.store / "threads").glob(f"*/{JOURNAL}"))


# -- ids


def test_any_text_is_a_thread_and_none_leaves_the_folder(tmp_path: Path) -> None:
    ids = [*NAUGHTY, "Case", "case", "a-b", "a b"]
    saver = TreeSaver(tmp_path / "store")
    for name in ids:
        put(saver, name, {"me": name}, ns=name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]
    assert len(journals(saver)) == len(ids)
    again = TreeSaver(tmp_path / "store")
    assert {found.config["configurable"]["thread_id"] for found in again.list(None)} == set(ids)
    for name in ids:
        found = again.get_tuple(config(name, ns=name))
        assert found is not None
        assert found.checkpoint["channel_values"] == {"me": name}


def test_numbers_name_threads_as_their_text_does(tmp_path: Path) -> None:
    saver = TreeSaver(tmp_path)
    put(saver, 1, {"a": 1})
    assert len(listed(saver, "1")) == 1


def test_an_id_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="lone surrogate"):
        put(TreeSaver(tmp_path), "\ud800", {})


# -- values


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner) | st.sets(st.text()),
    max_leaves=6,
)


examples = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@examples
@given(st.dictionaries(st.text(max_size=5), values, max_size=4))
def test_every_value_comes_back_as_from_the_memory_saver(
    tmp_path_factory: pytest.TempPathFactory, found: dict[str, Any]
) -> None:
    ours, theirs = TreeSaver(tmp_path_factory.mktemp("store")), InMemorySaver()
    for saver in (ours, theirs):
        put(saver, "t", found, id_="1", version=1)
        saver.put_writes(config("t", id_="1"), list(found.items()), "task")
    assert repr(ours.get_tuple(config("t"))) == repr(theirs.get_tuple(config("t")))


names, special, few = st.sampled_from(["a", "b"]), st.sampled_from(["a", "__resume__"]), st.integers(0, 3)
operations = st.lists(
    st.tuples(st.just("put"), names, names, st.integers(0, 9), few)
    | st.tuples(st.just("writes"), names, st.integers(0, 9), special, few)
    | st.tuples(st.just("delete"), names)
    | st.just(("reopen",)),
    max_size=25,
)


@examples
@given(operations)
def test_it_behaves_as_the_memory_saver_does(
    tmp_path_factory: pytest.TempPathFactory, todo: list[tuple[Any, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("store")
    ours, theirs = TreeSaver(folder), InMemorySaver()
    for operation in todo:
        match operation:
            case ("put", thread, channel, id_, parent):
                for saver in (ours, theirs):
                    named = config(thread, id_=str(parent)) if parent < id_ else None
                    put(saver, thread, {channel: id_}, id_=str(id_), version=id_, parent=named)
            case ("writes", thread, id_, channel, n):
                at = config(thread, id_=str(id_))
                for saver in (ours, theirs):
                    saver.put_writes(at, [(channel, n)], f"task-{n % 2}", f"path-{n}")
            case ("delete", thread):
                ours.delete_thread(thread)
                theirs.delete_thread(thread)
            case ("reopen",):
                ours = TreeSaver(folder)
        for thread in "ab":
            assert ours.get_tuple(config(thread)) == theirs.get_tuple(config(thread))
            assert listed(ours, thread) == listed(theirs, thread)


class Reversed:
    """A cipher that everybody can read, backwards."""

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return "reversed", plaintext[::-1]

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        return ciphertext[::-1]


def test_a_serialiser_that_encrypts_is_never_bypassed(tmp_path: Path) -> None:
    saver = TreeSaver(tmp_path, serde=EncryptedSerializer(Reversed()))
    made = put(saver, "t", {"a": "a secret"}, metadata={"run_id": "r"})
    saver.put_writes(made, [("a", "a secret")], "task")
    assert b"secret" not in journals(saver)[0].read_bytes()
    assert [found.metadata["run_id"] for found in listed(saver, "t")] == ["r"]


def test_jq_reads_a_journal(tmp_path: Path) -> None:
    saver = TreeSaver(tmp_path)
    put(saver, "t", {"topic": "tides", "odd": {1, 2}}, id_="7")
    wanted = 'select(.type == "checkpoint") | [.id, (.values[] | .json // .serde)]'
    told = subprocess.run(["jq", "-c", wanted, journals(saver)[0]], capture_output=True, check=True)
    assert json.loads(told.stdout) == ["7", "tides", "msgpack"]


# -- several at once


def test_what_another_saver_wrote_pruned_or_deleted_is_seen_at_once(tmp_path: Path) -> None:
    one, two = TreeSaver(tmp_path), TreeSaver(tmp_path)
    first = put(one, "t", {"a": 1}, id_="1")
    assert len(listed(two, "t")) == 1
    put(two, "t", {"a": 2}, id_="2", version=2, parent=first)
    put(one, "t", {"a": 3}, id_="3", version=3)
    assert [found.checkpoint["id"] for found in listed(two, "t")] == ["3", "2", "1"]
    half_read = two.list(config("t"))
    next(half_read)
    one.prune(["t"])
    assert [found.checkpoint["id"] for found in half_read] == ["2", "1"]  # who reads, reads to the end
    assert len(listed(two, "t")) == 1
    put(two, "t", {"a": 4}, id_="4", version=4)
    one.delete_thread("t")
    assert two.get_tuple(config("t")) is None
    put(two, "t", {"a": 5}, id_="5", version=5)
    assert len(listed(one, "t")) == 1


def test_more_threads_than_are_kept_open(tmp_path: Path) -> None:
    saver = TreeSaver(tmp_path)
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(MOST_OPEN + 20):
        put(saver, f"t{number}", {"n": number})
    assert len(list(Path("/proc/self/fd").iterdir())) <= open_before + MOST_OPEN + 1
    assert len(listed(saver, "t0")) == 1
    assert len(list(saver.list(None))) == MOST_OPEN + 20


# -- what stays after a removal


def test_values_of_a_removed_run_that_others_need_stay_and_the_rest_goes(tmp_path: Path) -> None:
    saver = TreeSaver(tmp_path)
    first = put(saver, "t", {"a": "kept", "b": "gone"}, metadata={"run_id": "r1"}, id_="1")
    saver.put_writes(first, [("a", "a write of run one")], "task")
    versions = {"a": 1, "b": 2}
    second: Any = {"v": 4, "id": "2", "ts": "", "channel_values": {"a": "kept", "b": "new"}}
    second |= {"channel_versions": versions, "versions_seen": {}, "updated_channels": None}
    saver.put(first, second, {"run_id": "r2"}, {"b": 2})
    saver.delete_for_runs(["r1"])
    found = listed(saver, "t")
    assert [item.checkpoint["channel_values"] for item in found] == [{"a": "kept", "b": "new"}]
    text = journals(saver)[0].read_text()
    assert "kept" in text
    assert "gone" not in text
    assert "run one" not in text


def test_a_run_that_survivors_are_rebuilt_from_is_not_deleted(tmp_path: Path) -> None:
    saver = TreeSaver(tmp_path)
    made = delta_chain(saver, "t", steps=3, snapshots={0: [0]})
    counted: dict[str, Any] = {"counters_since_delta_snapshot": {"ch": (3, 3)}}
    put(saver, "t", {}, parent=made[-1], metadata={"run_id": "r", **counted})
    put(saver, "u", {"a": 1}, metadata={"run_id": "r"})
    saver.delete_for_runs(["r"])
    assert len(listed(saver, "t")) == 3
    put(saver, "t", {}, parent=made[-1], metadata={"run_id": "s"}, id_="middle")
    put(saver, "t", {}, parent=config("t", id_="middle"), metadata={"run_id": "last", **counted}, id_="zlast")
    with pytest.raises(BadInput, match="zlast is rebuilt from middle"):
        saver.delete_for_runs(["s"])
    assert len(listed(saver, "t")) == 5


def test_an_unknown_strategy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="keep_latest, delete"):
        TreeSaver(tmp_path).prune(["t"], strategy="all")


# -- cost


def test_a_step_costs_the_same_however_long_the_thread_is(tmp_path: Path) -> None:
    saver, parent = TreeSaver(tmp_path), None
    costs = {}
    big = "x" * 100_000
    seen: list[int] = []

    def watch(operation: str, arguments: tuple[Any, ...]) -> None:
        seen.append(len(arguments[1]) if operation == "write" else 1)

    for step in range(1, 1001):
        if step in (10, 1000):
            disk.tap(watch)
        try:
            values = {"n": step, **({"big": big} if step == 1 else {})}
            parent = put(saver, "t", values, parent=parent, version=f"{step:08}", id_=f"{step:08}")
            saver.put_writes(parent, [("n", step)], "task")
        finally:
            disk.tap(None)
        if step in (10, 1000):
            costs[step] = (len(seen), sum(seen))
            seen.clear()
    assert costs[10][0] == costs[1000][0]  # operations
    assert abs(costs[10][1] - costs[1000][1]) < 20  # bytes: only the numbers have more digits
    assert costs[1000][1] < 2000


# -- where it lives, and damage


def test_the_store_of_an_orchestration_lies_in_its_tree(tmp_path: Path) -> None:
    (tmp_path / "FORMAT").write_text("maos-sup 1\n")
    saver = TreeSaver(tmp_path)
    assert saver.store == tmp_path / "state" / "langgraph"
    put(saver, "t", {"a": 1})
    put(saver, "t", {"a": 2})
    assert all(path.stat().st_mode & 0o077 == 0 for path in saver.store.rglob("*"))


def test_check_of_a_tree_finds_an_edit_in_its_stores(tmp_path: Path) -> None:
    specs: dict[str, dict[str, Any]] = {"a": {"kind": "command", "command": ["true"]}}
    tree = create_tree(tmp_path / "tree", orchestration={"id": "x", "request": "r"}, agents=specs, tasks={})
    saver = TreeSaver(tree.root)
    for n in range(3):
        put(saver, "t", {"a": f"value {n}"}, version=n)
    assert check(tree) == []
    path = journals(saver)[0]
    for value in ("value 0", "value 2"):
        text = path.read_text()
        path.write_text(text.replace(value, "value X"))
        assert [(each.finding, tree.root / each.path) for each in check(tree)] == [(Finding.EDITED, path)]
        path.write_text(text)


@pytest.mark.parametrize("found", ["stranger.txt", "STORE", "FORMAT"])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, found: str) -> None:
    (tmp_path / found).write_text("maos-sup 99\n")
    with pytest.raises(NotATree, match=str(tmp_path)):
        TreeSaver(tmp_path)


def test_an_edit_by_hand_is_found_when_the_thread_is_read(tmp_path: Path) -> None:
    saver = TreeSaver(tmp_path)
    for n in range(5):
        put(saver, "t", {"a": f"value {n}"}, version=n)
    path = journals(saver)[0]
    path.write_text(path.read_text().replace("value 1", "value X"))
    for reader in (saver, TreeSaver(tmp_path)):
        with pytest.raises(Damaged, match=str(path)):
            listed(reader, "t")
    with pytest.raises(Damaged):
        put(TreeSaver(tmp_path), "t", {"a": "more"}, version=9)


@pytest.mark.parametrize("edit", ["the last line", "a line added"])
def test_an_edit_of_what_was_stored_last_is_found(tmp_path: Path, edit: str) -> None:
    for n in range(3):
        put(TreeSaver(tmp_path), "t", {"a": f"value {n}"}, version=n)
    path = journals(TreeSaver(tmp_path))[0]
    text = path.read_text()
    added = text.splitlines(keepends=True)[-1].replace('"seq":4', '"seq":5')
    path.write_text(text.replace("value 2", "value X") if edit == "the last line" else text + added)
    with pytest.raises(Damaged, match=f"{path}:[45]"):
        listed(TreeSaver(tmp_path), "t")


def test_many_threads_of_one_process_share_a_thread(tmp_path: Path) -> None:
    saver = TreeSaver(tmp_path)

    def write(name: int) -> None:
        for n in range(10):
            made = put(saver, "t", {f"c{name}": n}, version=f"{name}.{n}", id_=f"{name}-{n}")
            saver.put_writes(made, [("c", n)], "task")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    for reader in (saver, TreeSaver(tmp_path)):
        found = {item.checkpoint["id"]: item for item in listed(reader, "t")}
        assert len(found) == 80
        assert all(len(item.pending_writes or ()) == 1 for item in found.values())


def test_importing_maos_sup_does_not_import_langgraph() -> None:
    code = (
        "import sys, maos_sup.cli, maos_sup.integrations; assert not {'langgraph', 'agmi'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
