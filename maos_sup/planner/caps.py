"""The caps on a plan's money, given on a command line: written into a plan file, or laid over a plan.

In a file nothing but the caps changes: what people wrote there stays, comments as well. What is written
is read back first.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from maos_sup.planner.plan import Plan
from maos_sup.planner.toml_lines import toml_lines
from state_layout.errors import BadInput
from state_layout.files import atomic
from state_layout.files.reading import read_foreign

Caps = Mapping[str, float]  # by the keys of [budget]; only those that were given


def capped(plan: Plan, caps: Caps) -> Plan:
    """Put `caps` in the place of those of `plan`."""
    budget = {**plan.orchestration["budget"], **caps}
    return replace(plan, orchestration={**plan.orchestration, "budget": budget})


def cap_file(path: Path, caps: Caps) -> None:
    """Write `caps` into the TOML plan at `path`, durably. Raises BadInput if it is too unusual for that."""
    text = read_foreign(path).decode()
    if is_capped(text, caps):
        return
    changed = with_caps(text, caps)
    if not is_capped(changed, caps):
        wish = ", ".join(f"{key} = {value}" for key, value in caps.items())
        raise BadInput(f"{path}: its [budget] cannot be changed from here; write {wish} there yourself")
    atomic.replace(path, changed.encode())


def with_caps(text: str, caps: Caps) -> str:
    """Put `caps` under [budget] in the TOML `text`, as far as that can be done line by line."""
    for key, value in caps.items():
        places, lines = toml_lines(text), text.splitlines()
        if at := places.get(("budget", key)):
            told = re.compile(rf"(\b{key}[\"']?\s*=\s*)[^\s,}}#]+")
            lines[at - 1] = told.sub(rf"\g<1>{value!r}", lines[at - 1], count=1)
        elif at := places.get(("budget",)):
            lines.insert(at, f"{key} = {value!r}")
        else:
            lines += ["", "[budget]", f"{key} = {value!r}"]
        text = "\n".join(lines) + "\n"
    return text


def is_capped(text: str, caps: Caps) -> bool:
    """The TOML `text` says these `caps`."""
    try:
        budget = tomllib.loads(text).get("budget", {})
    except tomllib.TOMLDecodeError:
        return False
    return isinstance(budget, dict) and all(budget.get(key) == value for key, value in caps.items())
