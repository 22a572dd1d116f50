"""The SDK's own conformance suite on our session store, then what it does not ask: crashes, any key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from claude_agent_sdk import InMemorySessionStore, list_sessions_from_store, project_key_for_directory
from claude_agent_sdk.testing import run_session_store_conformance
from crashing import Loss, crash, lose, memory_folder, shuffle

from maos_sup.integrations.claude_sdk import TreeSessionStore
from state_layout.errors import BadInput, Damaged

KEY: Any = {"project_key": "proj", "session_id": "sess"}
SUB: Any = {**KEY, "subpath": "subagents/agent-1"}


def entry(uuid: str, **more: Any) -> Any:
    return {"type": "user", "uuid": uuid, **more}


def append(store: TreeSessionStore, key: Any, *entries: Any) -> None:
    asyncio.run(store.append(key, list(entries)))


def load(store: TreeSessionStore, key: Any) -> Any:
    return asyncio.run(store.load(key))


def test_the_conformance_suite_passes_with_nothing_left_out(tmp_path: Path) -> None:
    folders = count()
    asyncio.run(
        run_session_store_conformance(lambda: TreeSessionStore(tmp_path / str(next(folders)))),
    )
    assert next(folders) == 15  # one store for the probe and one for each of the 14 contracts


def test_a_batch_tried_again_is_stored_once_and_entries_without_an_id_are_kept(tmp_path: Path) -> None:
    batch = [entry("a", n=1), {"type": "title"}, entry("b", n=2), entry("b", n=3)]
    for store in (TreeSessionStore(tmp_path), TreeSessionStore(tmp_path)):
        append(store, KEY, *batch)
    assert load(TreeSessionStore(tmp_path), KEY) == [batch[0], batch[1], batch[2], batch[1]]


@pytest.mark.parametrize(
    "odd", [{"n": 2**70}, {"text": "\ud800"}, {"deep": json.loads("[" * 200 + "]" * 200)}, {"n": -0.0}]
)
def test_every_entry_that_json_dumps_writes_comes_back(tmp_path: Path, odd: dict[str, Any]) -> None:
    append(TreeSessionStore(tmp_path), KEY, entry("a", **odd))
    assert load(TreeSessionStore(tmp_path), KEY) == [entry("a", **odd)]


def test_any_key_stays_in_the_folder(tmp_path: Path) -> None:
    store = TreeSessionStore(tmp_path / "store")
    names = ["..", "../../x", "/etc", "a/b", "a", "A", "", "x" * 3000, "ü"]
    for name in names:
        append(store, {"project_key": name, "session_id": name}, entry(name))
        append(store, {"project_key": "p", "session_id": "s", "subpath": name or "-"}, entry(name))
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    for name in names:
        assert load(store, {"project_key": name, "session_id": name}) == [entry(name)]
    subkeys = asyncio.run(store.list_subkeys({"project_key": "p", "session_id": "s"}))
    assert set(subkeys) == {name or "-" for name in names}
    assert asyncio.run(store.list_sessions("p")) == []
    with pytest.raises(BadInput, match="empty"):
        append(store, {**KEY, "subpath": ""}, entry("a"))


def test_lists_are_right_with_an_old_summary_or_none(tmp_path: Path) -> None:
    store = TreeSessionStore(tmp_path)
    append(store, KEY, entry("a", customTitle="first"))
    path = next(tmp_path.rglob("summary.json"))
    old = path.read_bytes()
    append(store, KEY, entry("b", customTitle="second"))
    new = asyncio.run(store.list_session_summaries("proj"))
    assert [summary["data"]["custom_title"] for summary in new] == ["second"]
    for found in (old, b"{", b""):
        path.write_bytes(found)
        assert asyncio.run(TreeSessionStore(tmp_path).list_session_summaries("proj")) == new
    path.unlink()
    assert asyncio.run(TreeSessionStore(tmp_path).list_session_summaries("proj")) == new


def test_the_sdk_lists_sessions_as_from_its_own_store(tmp_path: Path) -> None:
    ours, theirs = TreeSessionStore(tmp_path), InMemorySessionStore()
    said = {"message": {"role": "user", "content": "count the lines"}, "timestamp": "2026-11-21T01:42:00Z"}
    key: Any = {"project_key": project_key_for_directory("/somewhere"), "session_id": str(UUID(int=7))}
    stores: list[Any] = [ours, theirs]
    for store in stores:
        asyncio.run(store.append(key, [entry("a", **said)]))
        asyncio.run(store.append({**key, "subpath": "subagents/x"}, [entry("b", **said, isSidechain=True)]))
    found, wanted = (
        [vars(info) for info in asyncio.run(list_sessions_from_store(store, directory="/somewhere"))]
        for store in stores
    )
    assert found
    for info in (*found, *wanted):
        info.pop("last_modified")
    assert found == wanted


def test_an_edit_by_hand_is_found(tmp_path: Path) -> None:
    store = TreeSessionStore(tmp_path)
    append(store, KEY, entry("a", text="as it was"))
    append(store, KEY, entry("b"))
    path = next(tmp_path.rglob("journal.jsonl"))
    path.write_text(path.read_text().replace("as it was", "something"))
    for reader in (store, TreeSessionStore(tmp_path)):
        with pytest.raises(Damaged, match=str(path)):
            load(reader, KEY)


ACTS: dict[str, Callable[[TreeSessionStore], Any]] = {
    "append": lambda store: store.append(KEY, [entry("c"), entry("d")]),
    "append a sub-agent": lambda store: store.append({**KEY, "subpath": "new"}, [entry("c")]),
    "delete": lambda store: store.delete(KEY),
    "delete a sub-agent": lambda store: store.delete(SUB),
}


def seeded(folder: Path) -> TreeSessionStore:
    store = TreeSessionStore(folder / "store")
    append(store, KEY, entry("a", customTitle="title"))
    append(store, SUB, entry("s"))
    append(store, KEY, entry("b"))
    return store


def state(store: TreeSessionStore) -> Any:
    """All that a reader can see, but for times."""

    async def seen() -> Any:
        subkeys = sorted(await store.list_subkeys(KEY))
        entries = [await store.load({**KEY, "subpath": subpath}) for subpath in subkeys]
        summaries = [summary["data"] for summary in await store.list_session_summaries("proj")]
        return await store.load(KEY), subkeys, entries, summaries

    return asyncio.run(seen())


@pytest.mark.parametrize("loss", [None, lose, shuffle], ids=lambda loss: loss.__name__ if loss else "kill")
@pytest.mark.parametrize("name", ACTS)
def test_an_act_that_is_stopped_has_happened_or_not(tmp_path: Path, name: str, loss: Loss | None) -> None:
    before = state(seeded(tmp_path / "before"))
    done = seeded(tmp_path / "done")
    asyncio.run(ACTS[name](done))
    after = state(done)
    for at in count(1):
        with memory_folder() as folder:
            seeded(folder)
            stopped = crash(lambda folder=folder: act_once(folder, name), at=at)
            if stopped is None:
                break
            if loss is not None:
                loss(stopped)
            assert state(TreeSessionStore(folder / "store")) in (before, after), stopped.last
            append(TreeSessionStore(folder / "store"), KEY, entry("z"))
            assert load(TreeSessionStore(folder / "store"), KEY)[-1] == entry("z")
    assert at > 3


@pytest.mark.parametrize("name", ACTS)
def test_what_returned_is_there_whatever_was_not_synced(tmp_path: Path, name: str) -> None:
    done = seeded(tmp_path / "done")
    asyncio.run(ACTS[name](done))
    with memory_folder() as folder:
        seeded(folder)
        stopped = crash(lambda: act_once(folder, name), at=None)
        assert stopped is not None
        lose(stopped)
        assert state(TreeSessionStore(folder / "store")) == state(done)


def act_once(folder: Path, name: str) -> None:
    asyncio.run(ACTS[name](TreeSessionStore(folder / "store")))
