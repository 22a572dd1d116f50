"""Says what the project asks of all agents, in its AGENTS.md:
passed on to Claude Code, by us and nobody else.

Older versions of Claude Code read CLAUDE.md only; newer ones read AGENTS.md too, unless told not to.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from state_layout.files.looking import is_regular

MOST_BYTES = 256 * 1024  # about half of a model's window
_NAME, _OWN = "AGENTS.md", "CLAUDE.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRules:
    """The rules are the text of AGENTS.md, and what a person should know of it, if anything."""

    text: str = ""
    warning: str | None = None


def project_rules(folder: Path) -> ProjectRules:
    """Read what the project in `folder` asks, unless Claude Code reads it by its own CLAUDE.md."""
    path, own = folder / _NAME, folder / _OWN
    try:
        if not is_regular(path) or _is_read_by(own, path):
            return ProjectRules()
        data, size = _beginning(path), path.stat().st_size
    except OSError as cause:
        return ProjectRules(
            warning=f"{_NAME} of the project is left out, for it cannot be read: {cause.strerror}"
        )
    text = data[:MOST_BYTES].decode("utf-8", "ignore" if size > MOST_BYTES else "replace")
    if size <= MOST_BYTES:
        return ProjectRules(text=text)
    left_out = size - len(text.encode("utf-8", "replace"))
    warning = (
        f"{_NAME} of the project has {size} bytes: its last {left_out} are left out; "
        f"make it shorter than {MOST_BYTES} bytes"
    )
    return ProjectRules(text=f"{text}\n[... {left_out} bytes left out ...]", warning=warning)


def _is_read_by(own: Path, path: Path) -> bool:
    """Claude Code's own file is that file, or refers to it."""
    return is_regular(own) and (own.samefile(path) or _NAME.encode() in _beginning(own))


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)
