"""The files that `-o` names: replaced whole, and nothing else than a file is."""

from __future__ import annotations

from pathlib import Path

from state_layout.errors import BadInput
from state_layout.files import atomic
from state_layout.files.looking import exists, is_dir, is_regular


def write_output(path: Path, data: bytes) -> None:
    """Replace the file `path` by `data`, durably. Raises BadInput for a place of no file, StorageError."""
    if is_dir(path):
        raise BadInput(f"--output is {str(path)!r}, which is a folder; name a file in it")
    if exists(path) and not is_regular(path):  # a rename would put a file in the place of a device
        raise BadInput(f"--output is {str(path)!r}, which is no file; leave -o out, or use - and a pipe")
    if not is_dir(path.absolute().parent):
        raise BadInput(f"--output is {str(path)!r}, whose folder is not there; make it first")
    atomic.replace(path, data)
