"""Bugs that the proof must catch, one at a time. Each is one that somebody might well make."""

from __future__ import annotations

from ..plant import Bug
from . import agents, files, lives, locks, mail, rewinds, shared, workspaces

BUGS: dict[str, Bug] = {
    bug.name: bug
    for part in (files, lives, mail, agents, locks, rewinds, shared, workspaces)
    for bug in part.BUGS
}
