"""Says what the values of a shared scope look like: a version, a JSON schema, and how older values become
newer.

`spec/state/<scope>.schema.json`, of `global` `<home>/state/global.schema.json`. A line says in `v` of which
version its value is (1 if it says nothing). An older value is migrated when it is read, and written anew only
by `state migrate`: both give the same. The operations of a version are compiled into one function.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.files.looking import is_dir
from state_layout.files.reading import Unreadable, read_regular
from state_layout.paths import Tree
from state_layout.scopes.names import GLOBAL, Scope, schema_path
from state_layout.shapes.json_schema import problems
from state_layout.shapes.places import repeat_in

Migrate = Callable[[Any], Any]
_known: dict[Path, tuple[tuple[int, ...], Schema]] = {}  # as they were read last
_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "string": lambda value: value if isinstance(value, str) else codec.encode(value).decode(),
    "integer": lambda value: int(value),
    "number": lambda value: float(value),
    "boolean": lambda value: value if isinstance(value, bool) else str(value).lower() in ("true", "yes", "1"),
}
_NEEDS: dict[str, tuple[str, ...]] = {
    "copy": ("from", "to"),
    "rename": ("from", "to"),
    "remove": ("key",),
    "default": ("key", "value"),
    "convert": ("key", "to"),
    "split": ("key", "into"),
    "merge": ("keys", "into"),
    "custom": ("callable",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A schema is one schema file, understood. `steps`: by version the function that makes its values of
    older ones."""

    shown: str
    version: int
    shape: Mapping[str, Any]
    key: str
    steps: Mapping[int, Migrate]

    def meets(self, key: str) -> bool:
        """The schema is for the values of `key`."""
        return fnmatchcase(key, self.key)

    def check(self, key: str, value: Any) -> None:
        """Raise BadInput where `value` does not keep to the shape."""
        if self.meets(key) and (faults := problems(value, self.shape, at="value")):
            raise BadInput(f"{key!r}: {faults[0]} ({self.shown}, version {self.version})")

    def migrated(self, key: str, value: Any, version: int) -> Any:
        """Bring `value`, which is of `version`, to ours; give it itself if there is nothing to do.

        Raises BadInput for one that cannot be migrated, becomes one that does not keep to the shape, or is of
        a newer version.
        """
        if version == self.version or not self.meets(key):
            return value
        if version > self.version:
            raise BadInput(f"{key!r}: is of version {version}, {self.shown} knows {self.version}")
        for number in range(version + 1, self.version + 1):
            step = self.steps.get(number)
            try:
                value = value if step is None else step(value)
            except Exception as cause:
                raise BadInput(
                    f"{key!r}: cannot be made of version {number}: {type(cause).__name__}: {cause} "
                    f"({self.shown}, migrations.{number})"
                ) from cause
        self.check(key, value)
        return value


def schema_of(tree: Tree, scope: Scope) -> Schema | None:
    """Find the schema of a shared scope, None without one. Raises BadInput for one that cannot be used."""
    path = schema_path(tree, scope)
    try:
        found = os.lstat(path)
    except OSError:
        return None
    stamp = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    known = _known.get(path)
    if known is None or known[0] != stamp:
        _known[path] = known = stamp, _read(path, tree if scope.sort != GLOBAL else None)
    return known[1]


def _read(path: Path, tree: Tree | None) -> Schema:
    """Read the schema in `path`; callables that it names lie in `tree`, else where Python finds them."""
    shown = tree.shown(path) if tree else str(path)
    try:
        data, _ = read_regular(path)
        told = codec.decode_object(data)
        repeat = repeat_in(data)
    except FileNotFoundError as cause:
        raise BadInput(f"{shown}: went while it was read; try again") from cause
    except codec.NotJson as fault:
        raise BadInput(f"{shown}:{fault.line}: is no JSON: {fault}; mend it") from fault
    except Unreadable as cause:
        raise BadInput(f"{shown}: {cause}") from cause
    if repeat:
        raise BadInput(f"{shown}:{repeat[0]}: {repeat[1]}")
    return understood(told, shown=shown, files=tree.files if tree else None)


def understood(told: Mapping[str, Any], *, shown: str, files: Path | None = None) -> Schema:
    """Make the schema that `told` says. Raises BadInput with the key and the remedy."""
    version, shape, key = told.get("version", 1), told.get("shape", {}), told.get("key", "*")
    if type(version) is not int or version < 1:
        raise BadInput(f"{shown}: 'version' is {version!r}; use a whole number from 1")
    if not isinstance(shape, dict) or not isinstance(key, str):
        raise BadInput(f"{shown}: 'shape' must be a JSON schema, 'key' a pattern of keys")
    steps = dict[int, Migrate]()
    migrations = told.get("migrations", {})
    if not isinstance(migrations, dict):
        raise BadInput(f"{shown}: 'migrations' must be an object: version -> list of operations")
    for number, ops in migrations.items():
        where = f"{shown}: migrations.{number}"
        if not str(number).isdecimal() or int(number) < 2 or not isinstance(ops, list):
            raise BadInput(f"{where}: use a version from 2 and a list of operations")
        steps[int(number)] = compiled(ops, where=where, files=files)
    return Schema(shown=shown, version=version, shape=shape, key=key, steps=steps)


def compiled(ops: Iterable[Mapping[str, Any]], *, where: str, files: Path | None = None) -> Migrate:
    """Make one function that does all of `ops` to a value. Raises BadInput for one that is none."""
    lines, names = ["def migrate(v):"], dict[str, object]()
    is_copied = False
    for index, op in enumerate(ops):
        name = op.get("op") if isinstance(op, dict) else None
        missing = [each for each in _NEEDS.get(str(name), ("op",)) if each not in op]
        if name not in _NEEDS or missing:
            need = f"it needs {', '.join(missing)}" if name in _NEEDS else f"use one of {', '.join(_NEEDS)}"
            raise BadInput(f"{where}[{index}]: operation {name!r}: {need}")
        if name == "custom":
            names[f"f{index}"] = _callable(str(op["callable"]), where=where, files=files)
            lines.append(f"v = f{index}(v)")
            is_copied = False
            continue
        if not is_copied:
            lines += ["if not isinstance(v, dict): raise TypeError('is no object')", "v = dict(v)"]
            is_copied = True
        lines += _lines(op, index, names, where=where)
    source = "\n    ".join([*lines, "return v"])
    exec(compile(source, where, "exec"), names)
    made: Any = names["migrate"]
    function: Migrate = made
    return function


def _lines(op: Mapping[str, Any], index: int, names: dict[str, object], *, where: str) -> list[str]:
    """Write the lines of one operation; what they need is put into `names`."""
    name = op["op"]
    if name in ("copy", "rename"):
        source, target = repr(str(op["from"])), repr(str(op["to"]))
        take = f"v.pop({source})" if name == "rename" else f"c(v[{source}])"
        names["c"] = deepcopy
        return [f"if {source} in v: v[{target}] = {take}"]
    if name == "remove":
        return [f"v.pop({str(op['key'])!r}, None)"]
    key = repr(str(op.get("key")))
    if name == "default":
        names[f"d{index}"] = op["value"]
        plain = isinstance(op["value"], str | int | float | bool | type(None))
        names["c"] = deepcopy
        return [f"if {key} not in v: v[{key}] = {f'd{index}' if plain else f'c(d{index})'}"]
    if name == "convert":
        if op["to"] not in _CONVERSIONS:
            raise BadInput(f"{where}[{index}]: 'to' is {op['to']!r}; use {', '.join(_CONVERSIONS)}")
        names[f"t{index}"] = _CONVERSIONS[op["to"]]
        return [f"if {key} in v: v[{key}] = t{index}(v[{key}])"]
    by, into = repr(str(op.get("by", " "))), op["into"]
    if name == "split":
        targets = [str(each) for each in into]
        parts = f"p = (v.pop({key}).split({by}, {len(targets) - 1}) + [''] * {len(targets)})"
        puts = "; ".join(f"v[{target!r}] = p[{number}]" for number, target in enumerate(targets))
        return [f"if {key} in v: {parts}; {puts}"]
    keys = [str(each) for each in op["keys"]]
    return [f"v[{str(into)!r}] = {by}.join(str(v.pop(k)) for k in {keys!r} if k in v)"]


def _callable(name: str, *, where: str, files: Path | None) -> Migrate:
    module, _, function = name.partition(":")
    if files is not None and is_dir(files) and str(files) not in sys.path:
        sys.path.insert(0, str(files))
    try:
        found: Migrate = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as cause:
        raise BadInput(f"{where}: callable {name!r}: {cause}; use module:function in spec/files") from cause
    return found
