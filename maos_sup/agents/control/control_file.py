"""Appends to the control file of a life, for its program: one line in one write, durable when it returns.

Light: the bus and the verbs of the shell start with it.
"""

from __future__ import annotations

import os
from pathlib import Path

from maos_sup.agents.control.control_lines import BadLine, parse
from state_layout.errors import BadInput, storage_error
from state_layout.files import atomic, codec, disk


def append_control(path: Path, value: dict[str, object]) -> None:
    """Append `value` to the control file `path`. Raises BadInput for what is no request, StorageError."""
    try:
        line = codec.encode(value) + b"\n"
        parse(line)
    except (BadLine, TypeError) as cause:
        raise BadInput(str(cause)) from cause
    try:
        with atomic.opened(path, os.O_RDWR | os.O_APPEND) as descriptor:
            if _is_torn(descriptor):
                line = b"\n" + line
            atomic.write_all(descriptor, line)
            disk.fdatasync(descriptor)
    except FileNotFoundError as cause:
        raise BadInput(f"{path}: is not there; run this from an agent's program") from cause
    except OSError as cause:
        raise storage_error("append", path, cause) from cause


def _is_torn(descriptor: int) -> bool:
    """The last line was left without its line feed."""
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
