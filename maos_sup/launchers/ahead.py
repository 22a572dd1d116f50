"""Starts the zygote before its launcher is there: while the supervisor still imports, on another core.

It knows nothing of trees, so it may come before anybody knows whether this tree is to be had. Whoever finds
that it is not has it dropped.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from maos_sup.launchers.link import ZygoteLink
from state_layout.files.looking import exists
from state_layout.files.reading import read_record
from state_layout.host.kernel import is_linux
from state_layout.paths import Tree

_STDERR = 2
_begun = dict[str, ZygoteLink]()  # by entry


def start_zygote(root: Path, entry: str) -> None:
    """Start a zygote for the tree at `root`, unless its agents seem to be started elsewhere.

    Never raises: whoever finds none starts one. Until it is taken it writes to our stderr.
    """
    with suppress(OSError, ValueError):
        tree = Tree(root)
        names_launcher = b'"launcher"' in read_record(tree.orchestration_spec)
        if is_linux() and not names_launcher and exists(tree.format):
            _begun[entry] = ZygoteLink(entry, log=_STDERR)


def take_zygote(entry: str, *, log: int) -> ZygoteLink | None:
    """Take the zygote started for `entry`, which writes to `log` from now on; None: there is none."""
    link = _begun.pop(entry, None)
    if link is not None:
        link.write_to(log)
    return link


def drop_zygote() -> None:
    """End what nobody took."""
    while _begun:
        _, link = _begun.popitem()
        link.kill()
        link.close()
