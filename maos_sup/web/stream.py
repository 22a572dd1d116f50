"""Says what changes, as server-sent events: one look for all who watch the same tree, none while nobody
does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from maos_sup.projection.text import plain
from maos_sup.web.sheets import Sheet, agent_sheet, head_sheet, task_sheet
from maos_sup.web.shown import ShownTree
from state_layout.errors import LayoutError
from state_layout.files import codec

_LEAST_S, _MOST_S = 0.25, 5.0  # between looks
_SHARE = 8  # a look may take this part of the time
_ALIVE_S = 15.0  # a word at least so often, so that who has gone is noticed


class BoardSheet(NamedTuple):
    """All that the board draws."""

    head: Sheet
    agents: list[Sheet]
    tasks: list[Sheet]


Look = Callable[[], BoardSheet]


def sheet_of_board(shown: ShownTree) -> BoardSheet:
    """All that the board draws. Raises LayoutError."""
    status = shown.status()
    return BoardSheet(
        head=head_sheet(status, shown.wants()),
        agents=[agent_sheet(agent) for agent in status["agents"]],
        tasks=[task_sheet(task) for task in status["tasks"]],
    )


class Differences:
    """Tells what of a board differs from the one before: rows, by their name; `gone`: names of rows.

    The first is `whole`: nothing that is not in it is there.
    """

    def __init__(self) -> None:
        self._head: bytes | None = None
        self._rows: dict[
            tuple[str, str], int
        ] = {}  # hashes: what orjson gives takes 4 KB, however short it is

    def after(self, board: BoardSheet) -> Sheet | None:
        """Find the difference to `board`; None if there is none."""
        told: Sheet = {"whole": True} if self._head is None else {}
        head = codec.encode(board.head)
        if head != self._head:
            told["head"], self._head = board.head, head
        now = dict[tuple[str, str], int]()
        for part, rows, key in (("agents", board.agents, "name"), ("tasks", board.tasks, "id")):
            changed = []
            for row in rows:
                place = part, str(row[key])
                now[place] = hash(codec.encode(row))
                if self._rows.get(place) != now[place]:
                    changed.append(row)
            if changed:
                told[part] = changed
        gone = [list(place) for place in self._rows.keys() - now.keys()]
        self._rows = now
        if gone:
            told["gone"] = gone
        return told or None


async def events(look: Look, *, is_ending: Callable[[], bool] = lambda: False) -> AsyncIterator[bytes]:
    """Yield what changes of what `look` gives, as events; ends when nobody reads, or `is_ending`."""
    differences, spoken_s = Differences(), 0.0
    while not is_ending():
        begun_s = time.monotonic()
        try:
            told = await asyncio.to_thread(_told, differences, look)
        except LayoutError as trouble:
            yield event("trouble", {"error": plain(trouble)})
            differences, spoken_s = Differences(), time.monotonic()  # then all of it: the trouble is over
            await _rest(_MOST_S, is_ending)
            continue
        now_s = time.monotonic()
        if told is not None:
            yield event("board", told)
            spoken_s = now_s
        elif now_s - spoken_s > _ALIVE_S:
            yield b": still here\n\n"
            spoken_s = now_s
        await _rest(min(_MOST_S, max(_LEAST_S, (now_s - begun_s) * _SHARE)), is_ending)


def _told(differences: Differences, look: Look) -> Sheet | None:
    return differences.after(look())


async def _rest(for_s: float, is_ending: Callable[[], bool]) -> None:
    end_s = time.monotonic() + for_s
    while not is_ending() and (left_s := end_s - time.monotonic()) > 0:
        await asyncio.sleep(min(_LEAST_S, left_s))


def event(name: str, value: Any) -> bytes:
    """Encode one event: JSON has no line feed in it."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), codec.encode(value))
