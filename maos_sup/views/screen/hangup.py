"""Notices that the terminal of a view was closed, also where the signal that says so is ignored."""

from __future__ import annotations

import sys
import termios


def terminal_is_gone() -> bool:
    """Whether standard input was a terminal that is closed now (under nohup no signal tells of it)."""
    stream = sys.__stdin__
    if stream is None:
        return True
    try:
        termios.tcgetattr(stream.fileno())
    except (termios.error, ValueError):
        return True
    return False
