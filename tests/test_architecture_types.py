"""How much of the source still passes on dictionaries whose keys nobody declared; the number only falls.

`dict[str, Any]` is for the codec and for settings of people, which are free. Where keys are ours they are
declared in `state_layout.records` or beside their writer, and what is only encoded is `dict[str, object]`. An
alias hides nothing: each use of one counts.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FREE = ("state_layout/files/codec.py", "state_layout/shapes/")  # the codec, and what people's files may hold
MOST = 33


def is_undeclared(node: ast.AST) -> bool:
    """The type says `dict[str, Any]`."""
    return isinstance(node, ast.Subscript) and ast.unparse(node) == "dict[str, Any]"


def aliases_in(tree: ast.Module) -> set[str]:
    """The names at the top of a module that stand for `dict[str, Any]`."""
    assigned = (node for node in tree.body if isinstance(node, ast.Assign) and is_undeclared(node.value))
    return {target.id for node in assigned for target in node.targets if isinstance(target, ast.Name)}


def imported_names(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Yield (module, name there, name here) for each `from module import name`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name, alias.asname or alias.name) for alias in node.names)


def undeclared(texts: dict[str, str]) -> Counter[str]:
    """Count how often each module, by its dotted name, uses `dict[str, Any]`, itself or by an alias."""
    trees = {module: ast.parse(text) for module, text in texts.items()}
    aliases = {module: aliases_in(tree) for module, tree in trees.items()}
    count = Counter[str]()
    for module, tree in trees.items():
        names = aliases[module] | {
            here for source, there, here in imported_names(tree) if there in aliases.get(source, ())
        }
        for node in ast.walk(tree):
            is_use = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names
            count[module] += is_use or is_undeclared(node)
    return count


def test_undeclared_dictionaries_only_get_fewer() -> None:
    texts = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path.read_text(
            encoding="utf-8"
        )
        for package in ("maos_sup", "state_layout")
        for path in (ROOT / package).rglob("*.py")
        if not path.relative_to(ROOT).as_posix().startswith(FREE)
    }
    count = undeclared(texts)
    total = count.total()
    worst = ", ".join(f"{module} {many}" for module, many in count.most_common(8))
    assert total <= MOST, f"{total} uses of dict[str, Any], {MOST} are allowed; declare the keys: {worst}"
    assert total > MOST - 10, f"{total} uses of dict[str, Any] are left: set MOST to that"


def test_each_use_of_an_alias_counts() -> None:
    texts = {
        "a": "from typing import Any\nEntry = dict[str, Any]\ndef f(x: Entry) -> list[Entry]: ...\n",
        "b": "from a import Entry as E\ndef g(x: E, y: dict[str, int]) -> None: ...\n",
    }
    assert undeclared(texts) == {"a": 3, "b": 1}
