"""Elements of HTML and SVG as text. What is no `Markup` is escaped: no word of an agent is ever markup."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from maos_sup.projection.text import plain

_VOID = frozenset({"meta", "br", "hr", "rect", "line", "path", "circle", "polygon"})
Child = object  # Markup, text, numbers, None (nothing), or iterables of them


class Markup(str):
    """Text that is markup already; only this module and constants of ours make it."""

    __slots__ = ()


def tag(name: str, /, *children: Child, **attributes: object) -> Markup:
    """Make an element. `class_` stands for `class`, `stroke_width` for `stroke-width`; None leaves one
    out."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = joined(children)
    if name in _VOID and not inner:
        return Markup(f"<{name}{told}/>" if name not in ("meta", "br", "hr") else f"<{name}{told}>")
    return Markup(f"<{name}{told}>{inner}</{name}>")


def joined(children: Iterable[Child]) -> Markup:
    """Children as one piece of markup."""
    return Markup("".join(map(_text, children)))


def _text(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, list | tuple):
        return joined(child)
    return escape(plain(child))
