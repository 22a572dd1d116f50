"""Plants a bug: changes the text of one function of the product, in this process, for good.

The code object is exchanged, not the name: everybody who imported the function has the bug. A bug whose text
is not found, or found twice, is an error: so a change of the product that moves it is noticed.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
import textwrap
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any


@dataclass(frozen=True, slots=True)
class Bug:
    """`old` in the function `where` ("module:Class.function") becomes `new`. `run` is what shows it.

    `old` is a part of one line, or whole lines without their indentation.
    """

    name: str
    where: str
    old: str
    new: str
    run: str = "script"


def plant(bug: Bug) -> None:
    """Exchange the code. Raises LookupError where the text is not exactly once in the function."""
    module_name, _, qualified = bug.where.partition(":")
    module = importlib.import_module(module_name)
    changed = ast.parse(textwrap.dedent(_exchanged(_source_of(module, qualified), bug)))
    function = changed.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.decorator_list = []
    space: dict[str, Any] = {}
    future = ast.parse("from __future__ import annotations").body
    exec(
        compile(ast.Module([*future, *changed.body], []), module.__file__ or "", "exec"),
        module.__dict__,
        space,
    )
    _function_at(module, qualified).__code__ = space[function.name].__code__


def plant_at_import(name: str) -> None:
    """Plant the bug of this name when its module is imported: for a process that has just begun."""
    from .mutations import BUGS

    bug = BUGS[name]
    module = bug.where.partition(":")[0]
    if module in sys.modules:
        plant(bug)
    else:
        sys.meta_path.insert(0, _Planter(module, bug))


class _Planter:
    """Waits for the import of one module."""

    def __init__(self, module: str, bug: Bug) -> None:
        self._module, self._bug = module, bug

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != self._module:
            return None
        sys.meta_path.remove(self)  # type: ignore[arg-type]
        found = importlib.util.find_spec(name)
        assert found is not None
        loader = found.loader
        assert loader is not None
        load = loader.exec_module

        def load_and_plant(module: ModuleType) -> None:
            load(module)
            plant(self._bug)

        loader.exec_module = load_and_plant  # type: ignore[method-assign]
        return found


def _exchanged(source: str, bug: Bug) -> str:
    """`source` with the bug: a part of one line is exchanged, or whole lines, whatever their indentation."""
    lines = source.split("\n")
    old = [line.strip() for line in bug.old.split("\n")]
    if len(old) == 1:
        places = [index for index, line in enumerate(lines) for _ in range(line.count(old[0]))]
    else:
        bare = [line.strip() for line in lines]
        places = [index for index in range(len(lines)) if bare[index : index + len(old)] == old]
    if len(places) != 1:
        raise LookupError(f"{bug.name}: {bug.old!r} is {len(places)} times in {bug.where}")
    at = places[0]
    if len(old) == 1:
        lines[at] = lines[at].replace(old[0], bug.new)
    else:
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        lines[at : at + len(old)] = [indent + line for line in bug.new.split("\n")]
    return "\n".join(lines)


def _source_of(module: ModuleType, qualified: str) -> str:
    """The text of a function as it stands there, decorators left out."""
    text = inspect.getsource(module)
    body: list[ast.stmt] = ast.parse(text).body
    *outer, last = qualified.split(".")
    for name in outer:
        body = next(node for node in body if isinstance(node, ast.ClassDef) and node.name == name).body
    node = next(node for node in body if isinstance(node, ast.FunctionDef) and node.name == last)
    lines = text.splitlines(keepends=True)
    return "".join(lines[node.lineno - 1 : node.end_lineno])


def _function_at(module: ModuleType, qualified: str) -> FunctionType:
    found: Any = module
    *outer, last = qualified.split(".")
    for name in outer:
        found = getattr(found, name)
    found = inspect.getattr_static(found, last)
    if isinstance(found, property):
        found = found.fget
    found = getattr(found, "__func__", found)
    while hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    assert isinstance(found, FunctionType)
    return found
