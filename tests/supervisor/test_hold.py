"""Starts are held back after the disk refused something, longer each time, and not for long."""

from __future__ import annotations

from maos_sup.supervisor.hold import FIRST_S, LONGEST_S, DiskHold


def test_a_pause_begins_with_a_refusal_and_ends_by_itself() -> None:
    hold = DiskHold()
    assert not hold.is_on(100.0)
    hold.begin(100.0)
    assert hold.is_on(100.0 + FIRST_S / 2)
    assert not hold.is_on(100.0 + FIRST_S)


def test_refusals_during_a_pause_do_not_lengthen_it() -> None:
    hold = DiskHold()
    for now_s in (0.0, 0.5, 1.0):
        hold.begin(now_s)
    assert not hold.is_on(FIRST_S)


def test_each_further_refusal_doubles_the_pause_up_to_the_longest() -> None:
    hold, now_s = DiskHold(), 0.0
    lengths = []
    for _ in range(6):
        hold.begin(now_s)
        begun_s = now_s
        while hold.is_on(now_s):
            now_s += 0.5
        lengths.append(now_s - begun_s)
    assert lengths == [2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    assert max(lengths) == LONGEST_S


def test_room_ends_the_pause() -> None:
    hold = DiskHold()
    hold.begin(0.0)
    hold.end()
    assert not hold.is_on(0.1)
    hold.begin(1.0)
    assert not hold.is_on(1.0 + FIRST_S)
