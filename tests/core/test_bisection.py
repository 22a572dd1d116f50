"""The first bad moment is found whatever cannot be told, with as many looks as the logarithm says."""

from __future__ import annotations

from random import Random

import pytest

from maos_sup.core.bisection import BisectionVerdict, bounds, next_look


def search(last: int, truth: list[BisectionVerdict]) -> tuple[tuple[int, int], int]:
    verdicts = {0: BisectionVerdict.GOOD, last: BisectionVerdict.BAD}
    looks = 0
    while (number := next_look(last, verdicts)) is not None:
        assert number not in verdicts
        verdicts[number] = truth[number]
        looks += 1
    return bounds(last, verdicts), looks


@pytest.mark.parametrize("last", [1, 2, 3, 10, 1000])
def test_first_bad_one_is_found_with_few_looks(last: int) -> None:
    for first_bad in {1, 2, last // 2, last - 1, last} & {*range(1, last + 1)}:
        truth = [
            BisectionVerdict.GOOD if number < first_bad else BisectionVerdict.BAD
            for number in range(last + 1)
        ]
        found, looks = search(last, truth)
        assert found == (first_bad - 1, first_bad)
        assert looks <= last.bit_length()


@pytest.mark.parametrize("seed", range(20))
def test_what_cannot_be_told_leaves_only_itself_in_doubt(seed: int) -> None:
    random = Random(seed)
    last = random.randrange(2, 60)
    first_bad = random.randrange(1, last + 1)
    truth = [
        BisectionVerdict.GOOD if number < first_bad else BisectionVerdict.BAD for number in range(last + 1)
    ]
    for number in range(1, last):
        if random.random() < 0.4:
            truth[number] = BisectionVerdict.SKIPPED
    (good, bad), _ = search(last, truth)
    assert truth[good] is BisectionVerdict.GOOD and truth[bad] is BisectionVerdict.BAD
    assert good < first_bad <= bad
    assert all(verdict is BisectionVerdict.SKIPPED for verdict in truth[good + 1 : bad])
