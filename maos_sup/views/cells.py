"""Text measured as a terminal draws it: in cells. Wide characters take two, combining ones none. Pure.

`unicodedata` knows which are wide; a terminal may think otherwise of a new emoji, which shifts its own row.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache


@lru_cache(maxsize=4096)
def _cell(character: str) -> int:
    import unicodedata  # most tables are ASCII

    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cells(text: str) -> int:
    """Count the cells that `text` takes."""
    return len(text) if text.isascii() else sum(map(_cell, text))


def cut(text: str, width: int) -> str:
    """Cut `text` to at most `width` cells; `…` at its end says that something is left out."""
    if cells(text) <= width:
        return text
    if width < 1:
        return ""
    return _first(text, width - 1).rstrip() + "…"


def padded(text: str, width: int) -> str:
    """`text` with blanks up to `width` cells, cut if it is longer."""
    shown = cut(text, width)
    return shown + " " * (width - cells(shown))


def wrapped(text: str, width: int) -> list[str]:
    """Wrap `text` in lines of at most `width` cells, broken where words end; a longer word is broken
    within."""
    width = max(width, 2)
    lines, line = list[str](), ""
    for word in _pieces(text, width):
        together = f"{line} {word}" if line else word
        if cells(together) <= width:
            line = together
        else:
            lines.append(line)
            line = word
    return [*lines, line]


def _pieces(text: str, width: int) -> Iterator[str]:
    """The words of `text`, those that are longer than a line in parts."""
    for word in text.split():
        while cells(word) > width:
            part = _first(word, width) or word[:1]
            yield part
            word = word[len(part) :]
        if word:
            yield word


def _first(text: str, width: int) -> str:
    """Take the longest beginning of `text` that fits into `width` cells."""
    if text.isascii():
        return text[:width]
    taken = 0
    for index, character in enumerate(text):
        taken += _cell(character)
        if taken > width:
            return text[:index]
    return text
