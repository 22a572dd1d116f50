"""Pipes whose ends never wait and are not inherited, made without `pipe2`, which some systems lack."""

from __future__ import annotations

import os


def quiet_pipe() -> tuple[int, int]:
    """Make a pipe (reading end, writing end) to wake with: neither end waits. Python's pipes are not
    inherited."""
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    return ends
