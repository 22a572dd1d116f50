"""A set of numbers that mostly grow by one, kept as ranges: all the mail of a pair in a few bytes."""

from __future__ import annotations

from collections.abc import Iterator

_NONE = [0, 0]


class SeqRanges:
    """The set holds numbers that were added in growing order."""

    def __init__(self) -> None:
        self._ranges: list[list[int]] = []  # first and last, growing, apart

    def __bool__(self) -> bool:
        return bool(self._ranges)

    @property
    def last(self) -> int:
        """The last number is the highest, 0 if there is none."""
        return self._ranges[-1][1] if self._ranges else 0

    def add(self, number: int) -> bool:
        """Add `number`; False, and nothing is added, if it is not above all others."""
        return self.add_all(number, number)

    def add_all(self, first: int, last: int) -> bool:
        """Add all numbers from `first` to `last`; False, and nothing is added, if they are not above all
        others."""
        highest = self._ranges[-1][1] if self._ranges else 0
        if first <= highest:
            return False
        if first == highest + 1 and self._ranges:
            self._ranges[-1][1] = last
        else:
            self._ranges.append([first, last])
        return True

    def without(self, others: SeqRanges) -> Iterator[tuple[int, int]]:
        """Yield the ranges that are here and not in `others`."""
        taken = iter(others._ranges)
        first, last = next(taken, _NONE)
        for begin, end in self._ranges:
            while begin <= end:
                while last and last < begin:
                    first, last = next(taken, _NONE)
                if not last or first > end:
                    yield begin, end
                    break
                if first > begin:
                    yield begin, first - 1
                begin = last + 1


def shown(ranges: list[tuple[int, int]]) -> str:
    """Show ranges as `2, 5 to 9` and how many more."""
    texts = [str(first) if first == last else f"{first} to {last}" for first, last in ranges[:5]]
    return ", ".join(texts) + (f" and {len(ranges) - 5} more" if len(ranges) > 5 else "")
