"""Says what the terminal of a view is, also where signals are missed: its size, and whether it was closed."""

from __future__ import annotations

import os
import sys
import termios


def terminal_is_gone() -> bool:
    """Standard input was a terminal that is closed now (under nohup no signal tells of it)."""
    stream = sys.__stdin__
    if stream is None:
        return True
    try:
        termios.tcgetattr(stream.fileno())
    except (termios.error, ValueError):
        return True
    return False


def terminal_size() -> tuple[int, int] | None:
    """Ask for columns and rows of the terminal on standard output; None if it is none."""
    try:
        return os.get_terminal_size()
    except OSError:
        return None
