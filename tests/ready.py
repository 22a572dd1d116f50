"""Says whether something is to be read: by `poll`, since `select` refuses descriptors from 1024 on.

A test run has more: tests that kill lives within their own process leave what these had open.
"""

from __future__ import annotations

import select


def is_ready(descriptor: int, timeout_s: float = 0.0) -> bool:
    """Wait up to `timeout_s` for something to read, or for the end."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))
