"""Passphrases, asked for on the terminal or read from a file; never an argument, never in the environment."""

from __future__ import annotations

from pathlib import Path

import click

from maos_sup.cli.options import Decorator
from state_layout.errors import BadInput

_MOST_BYTES = 1 << 12
_USE_FILE = "name a file that holds it: --passphrase-file FILE (/dev/fd/3 for a descriptor)"

passphrase_file_option: Decorator = click.option(
    "--passphrase-file",
    "passphrase_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The passphrase is the first line of FILE; /dev/fd/3 is a descriptor.",
)


def in_file(path: Path) -> str:
    """Read the first line of `path`. Raises BadInput if there is none."""
    try:
        with path.open("rb") as file:
            line = file.readline(_MOST_BYTES + 1)
    except OSError as cause:
        raise BadInput(f"{path}: {cause.strerror}; {_USE_FILE}") from cause
    words = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
    if not words or len(line) > _MOST_BYTES:
        raise BadInput(f"{path}: its first line is empty or too long for a passphrase")
    return words


def asked_for(what: str, *, twice: bool = False) -> str:
    """Let a person type a passphrase on the terminal, unseen. Raises BadInput where there is no terminal."""
    import getpass

    try:
        with Path("/dev/tty").open("rb", buffering=0):
            pass
    except OSError as cause:
        raise BadInput(f"there is no terminal to ask for a passphrase; {_USE_FILE}") from cause
    try:
        words = getpass.getpass(f"passphrase of {what}: ")
        if not words:
            raise BadInput("an empty passphrase protects nothing; nothing was done")
        if twice and getpass.getpass("once more: ") != words:
            raise BadInput("these were two different passphrases; nothing was done")
    except UnicodeDecodeError as cause:
        raise BadInput(
            f"what was typed is not {cause.encoding}, as the locale has it; {_USE_FILE}"
        ) from cause
    return words
