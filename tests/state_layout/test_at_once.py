"""Several acts at a time: all are done, failures come out, nothing runs on afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

import pytest

from state_layout.files import disk
from state_layout.files.at_once import MOST_THREADS, at_once

_BEGIN = next(  # how a thread asks the system to begin, from Python 3.13 on and before
    name for name in ("_start_joinable_thread", "_start_new_thread") if hasattr(threading, name)
)


@pytest.fixture(autouse=True)
def untapped() -> Iterator[None]:
    yield
    disk.tap(None)


@pytest.mark.parametrize("count", [0, 1, 2, 5 * MOST_THREADS])
def test_all_are_done_once(count: int) -> None:
    done = list[int]()
    at_once(partial(done.append, number) for number in range(count))
    assert sorted(done) == list(range(count))


def test_they_wait_together() -> None:
    together = threading.Barrier(MOST_THREADS)
    at_once([partial(together.wait, 60)] * MOST_THREADS)
    assert not together.broken


def test_failure_comes_out_when_nothing_runs_any_more() -> None:
    done, may_end = list[str](), threading.Event()

    def fail() -> None:
        may_end.set()
        raise OSError("no room")

    def end_later() -> None:
        may_end.wait(60)
        done.append("ended")

    with pytest.raises(OSError, match="no room"):
        at_once([end_later, fail])
    assert done == ["ended"]


def test_whoever_taps_the_disk_sees_one_after_the_other() -> None:
    disk.tap(lambda operation, arguments: None)
    names = list[str]()
    at_once([lambda: names.append(threading.current_thread().name)] * 5)
    assert names == [threading.current_thread().name] * 5


@pytest.mark.parametrize("most", [0, 3])
def test_where_no_more_threads_are_to_be_had_all_is_done_with_fewer(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    may_begin, left = getattr(threading, _BEGIN), [None] * most

    def begin(*arguments: object, **more: object) -> object:
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        return may_begin(*arguments, **more)

    monkeypatch.setattr(threading, _BEGIN, begin)
    done = list[int]()
    at_once(partial(done.append, number) for number in range(20))
    assert sorted(done) == list(range(20))
