"""Whether the function that a plan names is there, read from its source: no code of a user is run for it.

Judged only as far as the source says: a star import, a module `__getattr__` or a module that is not written
in Python may define anything.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

from state_layout.files.reading import is_file
from state_layout.shapes.wording import closest

_ANYTHING = "*"


def callable_fault(name: str, folders: Sequence[Path]) -> str | None:
    """What is wrong with `module:function`, looked for in `folders` and among what is installed; or None."""
    module, _, path = name.partition(":")
    source = _source(module, folders)
    if source is None:
        if _is_installed(module):
            return None
        where = "beside the plan, in the project" if len(folders) > 1 else "beside the plan"
        return f"but there is no module {module!r} {where} or in Python; write {module.replace('.', '/')}.py"
    try:
        parsed = ast.parse(source.read_bytes())
    except OSError:
        return None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as cause:
        line = getattr(cause, "lineno", None) or 1
        return f"but {source.name}:{line} is no valid Python: {getattr(cause, 'msg', cause)}; mend it"
    return _fault_in(parsed, path.partition(".")[0], source)


def _fault_in(parsed: ast.Module, wanted: str, source: Path) -> str | None:
    names = dict(_defined(parsed.body))
    if wanted not in names:
        if _ANYTHING in names:
            return None
        functions = [name for name, node in names.items() if isinstance(node, ast.FunctionDef)]
        remedy = closest(wanted, functions) or "define it"
        return f"but {source.name} defines no {wanted!r}; {remedy}"
    if isinstance(names[wanted], ast.AsyncFunctionDef):
        return f"but {wanted!r} in {source.name} is async; make it plain, and call asyncio.run in a step"
    return None


def _source(module: str, folders: Sequence[Path]) -> Path | None:
    """The file of `module`, from the first folder that has it."""
    rel = Path(*module.split("."))
    for folder in folders:
        for path in (folder / rel / "__init__.py", (folder / rel).with_suffix(".py")):
            if is_file(path):
                return path
    return None


def _is_installed(module: str) -> bool:
    """Whether Python finds the package; its parents are not imported, so no more is known."""
    try:
        return importlib.util.find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False


def _defined(body: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.AST]]:
    """The names that these statements define, and what defines them; `*` where it may be any."""
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield (_ANYTHING if node.name == "__getattr__" else node.name), node
            case ast.Import() | ast.ImportFrom():
                yield from ((_bound(alias), node) for alias in node.names)
            case _:
                yield from ((name.id, node) for name in _stored(node))
                yield from _defined_inside(node)


def _bound(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _stored(node: ast.stmt) -> Iterator[ast.Name]:
    """The names that the statement itself assigns to."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part


def _defined_inside(node: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    """What blocks of an `if`, `try`, `with` or loop define."""
    for key in ("body", "orelse", "finalbody"):
        yield from _defined(getattr(node, key, None) or [])
    for handler in getattr(node, "handlers", []):
        yield from _defined(handler.body)
