"""Says what agents cannot do without, looked for before a tree is made: programs in PATH, a sandbox.

Nothing is started, and what may still appear is not judged: a relative path (another task may make the file),
or a name that a relative folder in PATH may get.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from maos_sup.agents.registry import Lack
from state_layout.errors import BadInput
from state_layout.files.looking import exists


def program_lack(program: str, environment: Mapping[str, str], *, key: str) -> Iterator[Lack]:
    """That `program` is not there, or is none."""
    path = environment.get("PATH", os.defpath)
    if program.startswith("/"):
        if exists(Path(program)) and shutil.which(program) is None:
            yield Lack(key=key, text=f"{program!r} may not be executed; chmod +x it, or name another")
        elif not exists(Path(program)):
            yield Lack(key=key, text=f"{program!r} is not there; install it, or name one that is")
    elif (
        "/" not in program
        and all(map(os.path.isabs, path.split(":")))
        and not shutil.which(program, path=path)
    ):
        yield Lack(key=key, text=f"{program!r} is no program in PATH; install it, or give its path")


def sandbox_lack(settings: Mapping[str, Any]) -> Iterator[Lack]:
    """Yield a lack where the sandbox which is asked for cannot be had here."""
    from maos_sup.agents.sandbox.confine import choose

    try:
        choose(settings.get("sandbox"))
    except BadInput as cause:
        yield Lack(key="sandbox", text=str(cause))
