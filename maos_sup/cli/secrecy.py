"""No secret gets into a tree with its plan, which the tree keeps; and those that got there are found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from maos_sup.agents.secrets.redaction import Redactor, is_secret_name
from maos_sup.agents.secrets.secret_search import find_secrets
from maos_sup.cli import edge
from maos_sup.cli.says import say, say_aside, say_json
from maos_sup.planner.plan import Plan
from state_layout.errors import BadInput
from state_layout.files.reading import read_foreign
from state_layout.paths import Tree

_REMEDY = 'programs inherit the environment; under another name: env_from = { NAME = "OUTER_NAME" }'
_LEAST_CHARS = 8


def refuse_secrets(plan: Plan) -> None:
    """Warn of what its name calls a secret. Raises BadInput for what is one, naming the place and not it."""
    redactor = Redactor(os.environ)
    parts = {"": plan.orchestration, "agents.": plan.agents, "tasks.": plan.tasks}
    found = [
        f"{plan.path}: {prefix}{place} holds a secret, and the tree would keep it; {_REMEDY}"
        for prefix, part in parts.items()
        for place, text in _texts(part)
        if redactor.finds(text)
    ]
    found += [
        f"{path}: holds a secret, and the tree would keep it; have the program read it from its environment"
        for path in plan.files.values()
        if redactor.finds(_read(path))
    ]
    if found:
        raise BadInput(*found)
    for agent, value in plan.agents.items():
        for name, text in (value.get("env") or {}).items():
            if is_secret_name(name) and len(text) >= _LEAST_CHARS and not text.isdecimal():
                where = f"{plan.path}: agents.{agent}.env.{name}"
                say_aside(f"warning: {where} looks like a secret; the tree keeps it ({_REMEDY})")


def look_for_secrets(tree: Tree, *, as_json: bool) -> int:
    """Say where secrets stand in the files of `tree`; exit code 13 if there is one."""
    secrets = find_secrets(tree, os.environ)
    if as_json:
        say_json({"directory": str(tree.root), "secrets": [secret.to_json() for secret in secrets]})
    else:
        say("\n".join(map(str, secrets)) or f"{tree.root}: no secret was found")
    return edge.SECRETS if secrets else edge.OK


def _texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every text in `value` and where it stands."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, f"{place}.{key}" if place else key)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _texts(item, f"{place}[{number}]")


def _read(path: Path) -> str:
    try:
        return read_foreign(path).decode("utf-8", "replace")
    except OSError:
        return ""  # told of where it is copied
