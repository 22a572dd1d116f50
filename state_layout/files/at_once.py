"""Several acts on different files at a time: a disk that is asked for many syncs commits them together.

Twenty syncs one after the other take twenty times as long as one; from several threads, hardly longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from state_layout.files import disk

if TYPE_CHECKING:
    import threading

MOST_THREADS = 8


def at_once(acts: Iterable[Callable[[], object]]) -> None:
    """Do all of `acts`, none of which may depend on another; returns when none runs any more.

    Raises what the first of them raised that failed; those that had not begun then are not done. Whoever taps
    the disk sees one act after the other.
    """
    waiting = list(acts)
    count = 1 if disk.is_tapped() else min(MOST_THREADS, len(waiting))
    if count < 2:
        for act in waiting:
            act()
        return
    import threading  # most readers never come here

    waiting.reverse()
    failures, taking = list[BaseException](), threading.Lock()

    def next_act() -> Callable[[], object] | None:
        with taking:
            return waiting.pop() if waiting and not failures else None

    def work() -> None:
        try:
            while (act := next_act()) is not None:
                act()
        except BaseException as failure:  # noqa: BLE001 - raised again below
            failures.append(failure)

    threads = _started(count, work)
    if not threads:
        work()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _started(most: int, work: Callable[[], None]) -> list[threading.Thread]:
    """Start threads that do `work`: `most`, or as many as the system lets us have."""
    import threading

    threads = list[threading.Thread]()
    while len(threads) < most:
        thread = threading.Thread(target=work, name="at-once")
        try:
            thread.start()
        except RuntimeError:
            break
        threads.append(thread)
    return threads
