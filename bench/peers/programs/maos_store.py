"""MAOS 0.9: `save_message`, and `update_session` with a turn of 1 KB, through its own persistence.

`maos_store.py sends FOLDER PROCESSES COUNT`, `maos_store.py steps FOLDER TURN COUNT`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import sys
from pathlib import Path

from maos.interfaces.sqlite_persistence import SqlitePersistence
from race import TEXT, Act, race, times

READER = "reader"


async def opened(folder: Path, *agents: str) -> SqlitePersistence:
    """Its store, with `agents` in it."""
    store = SqlitePersistence(str(folder / "maos.db"))
    await store.initialize()
    for agent in agents:
        if await store.get_agent(agent) is None:
            await store.create_agent(agent, agent, "bench")
    return store


def sending(folder: Path, number: int) -> Act:
    """A saved message of 1 KB; asked again where SQLite says that it is locked, which MAOS does not do."""
    logging.disable(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    sender = f"sender{number}"
    store = loop.run_until_complete(opened(folder, READER, sender))

    def act() -> None:
        while True:
            try:
                loop.run_until_complete(store.save_message(sender, READER, TEXT))
                return
            except sqlite3.OperationalError:
                continue

    return act


def turning(folder: Path, turn: int) -> Act:
    """One more turn of a session that has `turn` - 1."""
    logging.disable(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    store = loop.run_until_complete(opened(folder, READER))
    loop.run_until_complete(store.create_session("session", READER, "bench"))
    said = {"role": "assistant", "content": TEXT}
    with sqlite3.connect(folder / "maos.db") as base:
        base.execute(
            "UPDATE sessions SET conversation_history = ?, turn_count = ?",
            (json.dumps([said] * (turn - 1)), turn - 1),
        )
    return lambda: loop.run_until_complete(store.update_session("session", said))


def main(what: str, folder: Path, number: int, count: int) -> None:
    """`number` is how many processes, or the turn."""
    if what == "sends":
        race(sending, folder, number, count)
    else:
        times(turning(folder, number), count)


if __name__ == "__main__":
    import os

    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    os._exit(0)  # the thread of its database is not waited for
