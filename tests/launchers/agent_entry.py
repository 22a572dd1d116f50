"""Says what agents of these tests do: told by `<tree>/<agent>.py`, run as `main(root, agent)`."""

from __future__ import annotations

from pathlib import Path

PRELOAD = ("colorsys", "no_such_module")


def main(root: str, agent: str) -> int:
    """Run the agent's script; its variable `code` is the exit code."""
    script = Path(root) / f"{agent}.py"
    names: dict[str, object] = {"root": Path(root), "agent": agent}
    exec(compile(script.read_text(), str(script), "exec"), names)
    code = names.get("code", 0)
    return code if isinstance(code, int) else 0
