"""The first frame, drawn before anything heavy is imported: a terminal never stands empty. Not for pipes."""

from __future__ import annotations

import os
import shutil
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from maos_sup.views.screen.picture import picture
from maos_sup.views.screen.spans import escaped
from maos_sup.views.screen.state import Choice, Look

_ENTER, _LEAVE = "\x1b[?1049h\x1b[2J\x1b[?25l", "\x1b[?25h\x1b[?1049l"


def can_be_opened() -> bool:
    """There is a terminal that a full-screen view can be drawn on."""
    streams = (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    has_terminal = all(stream is not None and stream.isatty() for stream in streams)
    return has_terminal and os.environ.get("TERM") not in (None, "", "dumb")


@contextmanager
def keys_unseen() -> Iterator[None]:
    """Show no keys that are typed before the view hears them; afterwards the terminal is as it was."""
    try:
        before = termios.tcgetattr(0)
        silent = termios.tcgetattr(0)
        silent[0] &= ~termios.ICRNL  # Enter stays Enter, whoever reads it
        silent[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(0, termios.TCSANOW, silent)
    except termios.error:
        yield
        return
    try:
        yield
    finally:
        with suppress(termios.error):
            termios.tcsetattr(0, termios.TCSANOW, before)


def paint_first(look: Look, choice: Choice) -> None:
    """Draw what was seen on the other screen of the terminal, where the view will take over."""
    width, height = shutil.get_terminal_size((80, 24))
    lines = picture(look, choice, width=width, height=height)
    text = _ENTER + escaped(lines, has_colour="NO_COLOR" not in os.environ)
    sys.stderr.write(text)
    sys.stderr.flush()


def unpaint() -> None:
    """Give the terminal back where the view did not take over."""
    sys.stderr.write(_LEAVE)
    sys.stderr.flush()
