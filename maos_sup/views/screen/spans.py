"""Pieces of a line and how they look: in the terminal's own colours, readable on light and dark. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from maos_sup.views.cells import cells, cut

# A name, as rich writes the style, and as a terminal is told. No yellow: on white nobody reads it.
STYLES: dict[str, tuple[str, str]] = {
    "": ("none", "0"),
    "title": ("bold", "1"),
    "dim": ("dim", "2"),
    "good": ("green", "32"),
    "wants": ("bold magenta", "1;35"),
    "bad": ("bold red", "1;31"),
    "held": ("cyan", "36"),
    "selected": ("bold reverse", "1;7"),
}


class Painted(NamedTuple):
    """The text is painted in one style."""

    text: str
    style: str = ""


Line = tuple[Painted, ...]


def line(text: str, style: str = "") -> Line:
    """Make a line in one style."""
    return (Painted(text, style),)


def text_of(spans: Line) -> str:
    """Take the text of a line."""
    return "".join(span.text for span in spans).rstrip()


def fitted(spans: Line, width: int) -> Line:
    """Fit the line into exactly `width` cells: cut with `…`, or filled with blanks in its last style."""
    left = width
    kept = list[Painted]()
    for span in spans:
        many = cells(span.text)
        if many > left:
            kept.append(Painted(cut(span.text, left), span.style))
            left -= cells(kept[-1].text)
            break
        kept.append(span)
        left -= many
    is_selected = bool(kept) and kept[-1].style == "selected"
    return (*kept, Painted(" " * left, "selected" if is_selected else "")) if left > 0 else tuple(kept)


def escaped(lines: Iterable[Line], *, has_colour: bool) -> str:
    """The lines as a terminal is told to draw them from its first row on."""
    drawn = list[str]()
    for number, spans in enumerate(lines, start=1):
        text = "".join(
            f"\x1b[0;{code}m{span.text}"
            for span in spans
            if (code := _code(span.style, has_colour=has_colour))
        )
        drawn.append(f"\x1b[{number};1H{text}\x1b[0m\x1b[K")
    return "".join(drawn)


def _code(style: str, *, has_colour: bool) -> str:
    code = STYLES[style][1]
    return (
        code if has_colour else ";".join(part for part in code.split(";") if not part.startswith("3")) or "0"
    )
