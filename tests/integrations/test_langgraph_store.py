"""`TreeStore` against LangGraph's own store in memory, and what that one does not promise."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from langgraph.store.memory import InMemoryStore

from maos_sup.integrations.langgraph import TreeStore
from state_layout.errors import BadInput

NAMESPACES = [("a",), ("a", "b"), ("a", "b", "c"), ("ab",), ("a/b", "x=y"), ("%", "ü")]
KEYS = ["k", "x/y", "=", "%2F", "K"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TreeStore]:
    made = TreeStore(tmp_path / "memory")
    yield made
    made.close()


def shown(items: list[Any]) -> list[tuple[Any, ...]]:
    return sorted((item.namespace, item.key, str(item.value)) for item in items)


def test_random_calls_have_the_answers_of_the_store_in_memory(store: TreeStore, tmp_path: Path) -> None:
    chance, model = Random(5), InMemoryStore()
    for number in range(300):
        namespace, key = chance.choice(NAMESPACES), chance.choice(KEYS)
        match chance.randrange(6):
            case 0 | 1 | 2:
                value = {"n": number % 7, "deep": {"of": number % 3}, "tags": [number % 2]}
                store.put(namespace, key, value), model.put(namespace, key, value)
            case 3:
                store.delete(namespace, key), model.delete(namespace, key)
            case 4:
                mine, theirs = store.get(namespace, key), model.get(namespace, key)
                assert (mine and mine.value) == (theirs and theirs.value)
            case _:
                for wanted in (None, {"n": 3}, {"n": {"$gte": 4}}, {"deep": {"of": 1}}, {"tags": [0]}):
                    mine_found = store.search(namespace[:1], filter=wanted, limit=100)
                    assert shown(mine_found) == shown(model.search(namespace[:1], filter=wanted, limit=100))
                there = {item.namespace for item in model.search((), limit=1000)}  # it lists emptied ones too
                for depth in (None, 1, 2):
                    assert store.list_namespaces(max_depth=depth) == sorted({each[:depth] for each in there})
                wanted_ones = [each for each in there if each[0] == "a" and each[-1] == "c" and len(each) > 1]
                assert store.list_namespaces(prefix=("a", "*"), suffix=("c",)) == sorted(wanted_ones)
    again = TreeStore(tmp_path / "memory")
    assert shown(again.search((), limit=1000)) == shown(model.search((), limit=1000))
    again.close()


def test_item_keeps_when_it_was_made(store: TreeStore) -> None:
    store.put(("a",), "k", {"n": 1})
    first = store.get(("a",), "k")
    store.put(("a",), "k", {"n": 2})
    second = store.get(("a",), "k")
    assert first is not None and second is not None
    assert second.created_at == first.created_at < second.updated_at


def test_item_ends_with_its_time_and_a_read_prolongs_it(tmp_path: Path) -> None:
    moment = [datetime(2026, 11, 29, tzinfo=UTC)]
    store = TreeStore(tmp_path / "memory", ttl={"default_ttl": 10}, now=lambda: moment[0])
    store.put(("a",), "used", {}), store.put(("a",), "left", {}), store.put(("a",), "ever", {}, ttl=None)
    moment[0] += timedelta(minutes=6)
    assert store.get(("a",), "used") is not None
    moment[0] += timedelta(minutes=6)
    assert [item.key for item in store.search(("a",), refresh_ttl=False)] == ["ever", "used"]
    assert store.get(("a",), "left") is None
    moment[0] += timedelta(minutes=600)
    assert [item.key for item in store.search(("a",))] == ["ever"]
    assert store.list_namespaces() == [("a",)]
    store.close()


def test_both_interfaces_do_the_same(store: TreeStore) -> None:
    async def work() -> list[str]:
        await asyncio.gather(*(store.aput(("a",), f"k{n}", {"n": n}) for n in range(5)))
        return [item.key for item in await store.asearch(("a",), filter={"n": {"$lt": 3}})]

    assert asyncio.run(work()) == ["k0", "k1", "k2"]


def _count(folder: Path, name: str) -> None:
    store = TreeStore(folder, writer=name)
    for _ in range(40):
        store.update(("a",), "n", lambda value: {"n": (value or {"n": 0})["n"] + 1})


def test_updates_of_several_processes_are_all_there(store: TreeStore, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_count, args=(tmp_path / "memory", f"w{n}")) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = store.get(("a",), "n")
    assert found is not None and found.value == {"n": 120}


def test_value_that_json_has_no_form_for_is_refused(store: TreeStore) -> None:
    with pytest.raises(BadInput, match=r"value\.value\.when: is of type datetime"):
        store.put(("a",), "k", {"when": datetime.now(UTC)})
    with pytest.raises(ValueError, match="filter"):
        store.put(("a",), "k", {"n": 1})
        store.search(("a",), filter={"n": {"$near": 1}})
