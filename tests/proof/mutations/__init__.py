"""Bugs that the proof must catch, one at a time. Each is one that somebody might well make."""

from __future__ import annotations

from ..plant import Bug
from . import files

BUGS: dict[str, Bug] = {bug.name: bug for bug in [*files.BUGS]}
