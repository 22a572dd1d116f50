"""Says what is said where the package of a framework is not installed:
its name, and the line that installs it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needed(package: str, *, modules: tuple[str, ...]) -> Iterator[None]:
    """Imports within it that lack one of `modules` raise ImportError: what it says installs `package`."""
    try:
        yield
    except ModuleNotFoundError as cause:
        if (cause.name or "").partition(".")[0] not in modules:
            raise
        line = f"{sys.executable} -m pip install {package}"
        raise ImportError(
            f"this part of maos-sup needs the package {package}: {line}", name=cause.name
        ) from cause
