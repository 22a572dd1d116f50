"""Tables that fit the width they are given: columns go by worth, the last one is folded. Pure.

Nothing is cut in silence: a column without room is named below the table, text continues on the next line.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import le

from msgspec import Struct

from maos_sup.views.cells import cells, padded, wrapped

Row = Sequence[str]
GAP = "  "
_LEAST_LAST = 24  # cells that the last column is worth before others go
_NOTHING = frozenset({"", "-", "0", "0.00"})


class Laid(Struct, frozen=True, kw_only=True):
    """A table is laid as lines: the heading, the lines of each row, the headings of the columns without
    room."""

    head: str
    rows: tuple[tuple[str, ...], ...]
    left_out: tuple[str, ...] = ()


def table(heads: Row, rows: Sequence[Row], *, width: int, by_worth: Sequence[str] = ()) -> list[str]:
    """Write the lines of a table; `by_worth` names the columns that may go, the first first."""
    if not rows:
        return []
    laid = lay(heads, rows, width=width, by_worth=by_worth)
    lines = [laid.head, *(line for row in laid.rows for line in row)]
    return lines + left_out_lines(laid, width)


def left_out_lines(laid: Laid, width: int) -> list[str]:
    """The line that names the columns without room."""
    if not laid.left_out:
        return []
    return wrapped(f"(no room for {', '.join(laid.left_out)}; --json has all)", width)


def lay(heads: Row, rows: Sequence[Row], *, width: int, by_worth: Sequence[str] = ()) -> Laid:
    """Columns as wide as they need to be; where that is too wide some go, then the last one is folded."""
    sizes = [max(map(cells, column)) for column in zip(heads, *rows, strict=False)]
    shown = _kept(heads, rows, sizes, width=width, by_worth=by_worth)
    left_out = tuple(
        heads[column]
        for column in range(len(heads))
        if column not in shown and any(row[column] not in _NOTHING for row in rows)
    )
    sizes = _squeezed(sizes, shown, width)
    head, *_ = _lines(heads, shown, sizes)
    return Laid(head=head, rows=tuple(tuple(_lines(row, shown, sizes)) for row in rows), left_out=left_out)


def _kept(
    heads: Row, rows: Sequence[Row], sizes: Sequence[int], *, width: int, by_worth: Sequence[str]
) -> list[int]:
    """Choose the columns that stay: those that say nothing go first, then those of the least worth."""
    shown = [*range(len(heads))]
    going = [heads.index(name) for name in by_worth if name in heads]
    empty = [column for column in going if all(row[column] in _NOTHING for row in rows)]
    for column in [*empty, *(column for column in going if column not in empty)]:
        if _needed(shown, sizes) <= width:
            break
        shown.remove(column)
    return shown


def _needed(shown: Sequence[int], sizes: Sequence[int]) -> int:
    """Sum the least width for these columns; the last one may be folded."""
    *fixed, last = (sizes[column] for column in shown)
    return sum(fixed) + len(GAP) * len(fixed) + min(last, _LEAST_LAST)


def _squeezed(sizes: Sequence[int], shown: Sequence[int], width: int) -> list[int]:
    """Squeeze the sizes, the last column's so that the row fits; where that is not enough the widest give
    way."""
    squeezed = [*sizes]
    last = shown[-1]
    gaps = len(GAP) * (len(shown) - 1)
    fixed = sum(squeezed[column] for column in shown[:-1])
    squeezed[last] = max(min(squeezed[last], _LEAST_LAST // 2), min(squeezed[last], width - fixed - gaps))
    while sum(squeezed[column] for column in shown) + gaps > width:
        widest = max(shown, key=lambda column: squeezed[column])
        if squeezed[widest] <= 4:
            break
        squeezed[widest] -= 1
    return squeezed


def _lines(row: Row, shown: Sequence[int], sizes: Sequence[int]) -> list[str]:
    """Write one row; each cell that is wider than its column goes on in the next line."""
    texts = [row[column] for column in shown]
    widths = [sizes[column] for column in shown]
    if all(map(str.isascii, texts)) and all(map(le, map(len, texts), widths)):  # nearly all are, and fit
        return [GAP.join(map(str.ljust, texts, widths)).rstrip()]
    columns = [
        wrapped(row[column], sizes[column]) if cells(row[column]) > sizes[column] else [row[column]]
        for column in shown
    ]
    height = max(map(len, columns))
    lines = []
    for number in range(height):
        parts = [
            padded(column[number] if number < len(column) else "", sizes[where])
            for column, where in zip(columns, shown, strict=True)
        ]
        lines.append(GAP.join(parts).rstrip())
    return lines
