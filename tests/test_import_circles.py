"""No module of ours imports itself by way of others: not at its top, not for types, not within a function."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def sources() -> dict[str, str]:
    """The text of each module of ours by its dotted name; a package stands under its own name."""
    found = {}
    for package in ("maos_sup", "state_layout"):
        for path in (ROOT / package).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path.read_text(encoding="utf-8")
    return found


def needs(module: str, source: str, known: Iterable[str]) -> set[str]:
    """The modules among `known` that `module` imports anywhere in its text."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in whole}
    return {name for name in found if name in known and name != module}


def circle(texts: Mapping[str, str]) -> list[str]:
    """The modules of one circle of imports, empty if there is none."""
    try:
        TopologicalSorter({name: needs(name, text, texts) for name, text in texts.items()}).prepare()
    except CycleError as found:
        return [str(name) for name in found.args[1]]
    return []


def test_modules_import_in_no_circle() -> None:
    texts = sources()
    assert len(texts) > 300
    assert circle(texts) == []


def test_a_circle_is_found_wherever_the_imports_stand() -> None:
    typed = "if TYPE_CHECKING:\n    from maos_sup.b import B\n"
    late = "def f():\n    from maos_sup import a\n"
    assert set(circle({"maos_sup.a": typed, "maos_sup.b": late})) == {"maos_sup.a", "maos_sup.b"}
    assert circle({"maos_sup.a": typed, "maos_sup.b": "import os\n"}) == []
