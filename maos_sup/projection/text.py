"""Text of agents and programs as text: without orders to a terminal and what turns its direction. Pure."""

from __future__ import annotations

from maos_sup.views.files import printable


def plain(text: object) -> str:
    """Take escape sequences and control characters out of `text`; its lines and tabs stay.

    What a path has that is no text (names of folders are bytes) is a `?`.
    """
    whole = str(text).encode("utf-8", "replace").decode()
    return "\n".join(map(printable, whole.replace("\r\n", "\n").split("\n")))


def short(text: object, most: int) -> str:
    """Put `text` in one line of at most `most` characters, plain; `…` says that something is left out."""
    line = " ".join(plain(text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def cut(text: object, most: int) -> str:
    """`text` plain, at most `most` characters of it, and how many are left out."""
    whole = plain(text)
    return whole if len(whole) <= most else f"{whole[:most]}\n[... {len(whole) - most} characters left out]"
