"""Says whether the function that a plan names is there, read from its source:
no code of a user is run for it.

Judged only as far as the source says: a star import, a module `__getattr__`, one that makes names by other
means (`globals`, `exec`, ...) or a module that is not written in Python may define anything.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from state_layout.files.reading import is_file, is_there, read_foreign
from state_layout.shapes.wording import closest

_ANYTHING = "*"
_HIDDEN_WAYS = frozenset(  # to define names
    {"globals", "locals", "vars", "exec", "eval", "setattr", "modules", "_convert_"}
)


def callable_fault(name: str, folders: Sequence[Path]) -> str | None:
    """Say what is wrong with `module:function`, looked for in `folders` and among what is installed; or
    None."""
    module, _, path = name.partition(":")
    source = _source(module, folders)
    if source is None:
        installed = _installed(module)
        if installed is not None:
            return _fault_of_installed(module, path.partition(".")[0], installed)
        where = "beside the plan, in the project" if len(folders) > 1 else "beside the plan"
        return f"but there is no module {module!r} {where} or in Python; write {module.replace('.', '/')}.py"
    try:
        parsed = ast.parse(read_foreign(source))
    except OSError:
        return None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as cause:
        line = getattr(cause, "lineno", None) or 1
        return f"but {source.name}:{line} is no valid Python: {getattr(cause, 'msg', cause)}; mend it"
    return _fault_in(parsed, path.partition(".")[0], source)


def _fault_in(parsed: ast.Module, wanted: str, source: Path) -> str | None:
    names = _names(parsed)
    if wanted not in names:
        if _ANYTHING in names:
            return None
        remedy = closest(wanted, _functions(names)) or "define it"
        return f"but {source.name} defines no {wanted!r}; {remedy}"
    if isinstance(names[wanted], ast.AsyncFunctionDef):
        return f"but {wanted!r} in {source.name} is async; make it plain, and call asyncio.run in a step"
    return None


def _source(module: str, folders: Sequence[Path]) -> Path | None:
    """Find the file of `module`, from the first folder that has it."""
    rel = Path(*module.split("."))
    for folder in folders:
        for path in (folder / rel / "__init__.py", (folder / rel).with_suffix(".py")):
            if is_file(path):
                return path
    return None


def _installed(module: str) -> Sequence[Path] | None:
    """List where the source of an installed module may lie, nowhere if that is not known; None if there is
    none.

    Only its top package is looked for by Python, and nothing is imported; the rest is a matter of files.
    """
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return [Path(spec.origin)] if spec.origin and spec.origin.endswith(".py") else []
    return [
        path
        for folder in spec.submodule_search_locations or ()
        for path in (Path(folder, *rest, "__init__.py"), Path(folder, *rest).with_suffix(".py"))
    ]


def _fault_of_installed(module: str, wanted: str, places: Sequence[Path]) -> str | None:
    """Say what is wrong with the name `wanted` of an installed module, if its source tells for sure."""
    source = next(filter(is_file, places), None)
    if source is None or any(is_there(source.parent / name) for name in (wanted, f"{wanted}.py")):
        return None  # written in C, for one; or a module of the package may be meant
    try:
        names = _names(ast.parse(read_foreign(source)))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if wanted in names or _ANYTHING in names:
        return None
    remedy = closest(wanted, _functions(names)) or "name a function that it has"
    return f"but the module {module!r}, which is installed, defines no {wanted!r}; {remedy}"


def _functions(names: Mapping[str, ast.AST]) -> list[str]:
    return [name for name, node in names.items() if isinstance(node, ast.FunctionDef)]


def _names(parsed: ast.Module) -> dict[str, ast.AST]:
    """The names of a module, and what defines them; `*` where it may have any."""
    names = dict(_defined(parsed.body))
    for node in ast.walk(parsed):
        if isinstance(node, ast.Global):
            names |= {name: node for name in node.names if name not in names}
        elif isinstance(node, ast.Match):
            names |= dict(_defined([line for case in node.cases for line in case.body]))
        elif _word(node) in _HIDDEN_WAYS:
            names[_ANYTHING] = node
    return names


def _word(node: ast.AST) -> str | None:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None


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
    """Yield what blocks of an `if`, `try`, `with` or loop define."""
    for key in ("body", "orelse", "finalbody"):
        yield from _defined(getattr(node, key, None) or [])
    for handler in getattr(node, "handlers", []):
        yield from _defined(handler.body)
