"""Answers what is asked of the program itself: its help, its version. Imports nothing of a tree, no click.

The page is made of the table of commands as click would make it: a test holds one against the other, at each
width. What comes with other words (`--debug --help`, `help run`) goes through click.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from maos_sup import __version__
from maos_sup.cli.entries import ABOUT, OPTIONS, SECTIONS, USAGE

_WIDTH = 80  # where there is no terminal, and the most there is written for
_INDENT = "  "


def page(width: int) -> str:
    """Make the help of `maos-sup`, in lines of at most `width` characters."""
    lines = [f"Usage: maos-sup {USAGE}"]
    for paragraph in ABOUT.split("\n\n"):
        lines += ["", *(_INDENT + line for line in _wrapped(paragraph, width - len(_INDENT)))]
    lines += _listed("Options", OPTIONS, width)
    for title, section in SECTIONS.items():
        lines += _listed(title, {name: entry.help for name, entry in section.items()}, width)
    return "\n".join(lines)


def versions() -> str:
    """Name the versions of the program and of the trees that it makes."""
    from state_layout.paths import FORMAT_VERSION, FORMAT_WORD

    return f"maos-sup {__version__} (trees: {FORMAT_WORD} {FORMAT_VERSION})"


def say_help() -> int:
    """Print the page and return OK."""
    print(page(max(min(_columns(), _WIDTH) - 2, 50)))
    return 0


def say_version(*, with_trees: bool) -> int:
    """Print the version, with that of trees or without, and return OK."""
    print(versions() if with_trees else f"maos-sup {__version__}")
    return 0


def _listed(title: str, told: dict[str, str], width: int) -> Iterator[str]:
    """List the names of a section, with what each is for."""
    size = max(map(len, told)) + 2
    yield from ("", f"{title}:")
    for name, text in told.items():
        first, *rest = _wrapped(text, width - size - len(_INDENT))
        yield f"{_INDENT}{name:<{size}}{first}"
        yield from (f"{_INDENT}{'':<{size}}{line}" for line in rest)


def _wrapped(text: str, width: int) -> list[str]:
    if len(text) <= width:
        return [text]
    from textwrap import wrap  # at the usual width one line needs it

    return wrap(text, width)


def _columns() -> int:
    """Ask for the width of the terminal as `shutil` does, which brings three packers along."""
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or _WIDTH  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return _WIDTH
