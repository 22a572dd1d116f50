"""The rules of the source tree, asserted by walking syntax trees.

Layers point one way, each third party has one door, `core` is pure, modules say what they are for,
files stay short. The checkers are functions over a module's name and text; test_architecture_checkers.py
feeds them violations, so that a checker that finds nothing is known to be able to find something.
Imports under TYPE_CHECKING count: an arrow is an arrow.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("maos_sup", "state_layout")
LONGEST_FILE_LINES = 400

LEAVES = ("agents", "launchers", "mirrors", "views")
BELOW_LEAVES = ("core", "cuts", "standing", "system", "workspaces", "state_layout")
SEEING = ("projection", "report", "metrics", "traces", "web")  # what a tree comes to, and its pictures
CARRYING = ("backups", "moving", "incoming")  # trees elsewhere, and from there
LAYERS = (*CARRYING, *BELOW_LEAVES, *SEEING, "planner", "supervisor", "steering", "cli", *LEAVES)
MAY_IMPORT: dict[str, frozenset[str]] = {
    "state_layout": frozenset({"state_layout"}),
    "core": frozenset({"core", "state_layout"}),
    "system": frozenset({"system", "state_layout"}),  # processes, for all that start or watch any
    "standing": frozenset({"standing", "core", "system", "state_layout"}),  # how all things stand, read once
    "cuts": frozenset({"cuts", "core", "state_layout"}),  # moments of a team, and going back to them
    "workspaces": frozenset({"workspaces", "core", "state_layout"}),  # what agents change of a project
    **{leaf: frozenset({leaf, *BELOW_LEAVES}) for leaf in LEAVES},
    "planner": frozenset({"planner", "core", "workspaces", "state_layout"}),
    "supervisor": frozenset(
        {"supervisor", "core", "cuts", "launchers", "standing", "system", "state_layout"}
    ),
    "steering": frozenset(  # acts on what views see
        {"steering", "core", "standing", "system", "views", "state_layout"}
    ),
    "projection": frozenset({"projection", "views", *BELOW_LEAVES}),
    "report": frozenset({"report", "projection", "views", "core", "state_layout"}),  # draws what is projected
    "metrics": frozenset(
        {"metrics", "projection", "views", "core", "state_layout"}
    ),  # tells what is projected
    "traces": frozenset({"traces", "projection", "views", "core", "state_layout"}),  # sends what is projected
    "web": frozenset(LAYERS) - {"cli"},  # shows what is projected, and acts through steering
    "moving": frozenset({"moving", "core", "cuts", "state_layout"}),  # archives of whole trees
    "incoming": frozenset({"incoming", "core", "state_layout"}),  # what other programs left, made ours
    "backups": frozenset({"backups", "moving", "core", "cuts", "state_layout"}),  # trees, piece by piece
    "cli": frozenset(LAYERS),
    "integrations": frozenset(
        {"integrations", "core", "state_layout"}
    ),  # other people's interfaces on the tree
    "loopback": frozenset({"loopback", "state_layout"}),  # a leaf, and nobody needs it
    "maos_sup": frozenset(),  # maos_sup/__init__.py: importing it costs nothing
    "__main__": frozenset({"cli"}),
}
DOORS: dict[str, tuple[str, ...]] = {
    "click": ("maos_sup.cli",),
    "rich": ("maos_sup.cli", "maos_sup.views"),
    "psutil": ("maos_sup.views.screen.figures", "state_layout.host.stats"),
    "watchdog": ("maos_sup.system.watchdogs",),
    "textual": ("maos_sup.views.screen.app",),
    "anthropic": ("maos_sup.agents.kinds",),
    "genai_prices": ("maos_sup.agents.kinds",),
    "claude_agent_sdk": ("maos_sup.integrations.claude_sdk",),
    "agmi": ("maos_sup.integrations.integrity",),
    "langgraph": ("maos_sup.integrations.langgraph",),
    "langchain_core": ("maos_sup.integrations.langgraph",),
    "prometheus_client": ("maos_sup.metrics.exposition",),
    "starlette": ("maos_sup.web",),
    "uvicorn": ("maos_sup.web.serving",),
    "h11": ("maos_sup.web.serving",),
    "filelock": ("state_layout.files.locks",),
    "_sha2": ("state_layout.specs.files",),  # of the standard library, from Python 3.12 on
    "_sha256": ("state_layout.specs.files",),  # the same until 3.11
    "orjson": ("state_layout.files.codec",),
    "duckdb": ("maos_sup.mirrors.duck.asking",),
    "obstore": ("maos_sup.backups.bucket",),
    "asyncssh": ("maos_sup.backups.ssh", "maos_sup.backups.ssh_settings", "maos_sup.backups.sftp"),
    "cryptography": ("maos_sup.moving.passphrase",),
    "pyrage": ("maos_sup.moving", "maos_sup.backups.repository"),
    "zstandard": ("maos_sup.moving", "maos_sup.backups"),
    "psycopg": ("maos_sup.mirrors.postgres.mirror",),
    "redis": ("maos_sup.mirrors.redis.mirror",),
    "msgspec": ("state_layout", "maos_sup"),  # the records; what is read is decoded by the codec
}
KINDS = "maos_sup.agents.kinds"
SHARED_BY_KINDS = f"{KINDS}.shared"
ROOMS = {  # each knows only those that stand before it
    "state_layout": (
        *("errors", "paths", "catalogue", "files", "records", "host", "shapes", "lives", "ledger", "scopes"),
        *("mail", "specs", "migrations", "tree", "witness", "check"),
    ),
    "maos_sup.agents": (
        *("endings", "registry", "lacking", "sessions", "preload", "secrets", "redacting_process", "sandbox"),
        *("attempt", "control", "bus", "output", "pulse", "work", "kind", "workplace", "tasks", "callable"),
        *("program", "calling", "kinds", "once", "runner", "placed"),
    ),
}
ROOM_CYCLES = frozenset(
    {("migrations", "tree")}
)  # a migration writes through the tree, opening one migrates it
IMPURE = frozenset(
    {"asyncio", "io", "multiprocessing", "os", "pathlib", "random", "secrets", "shutil", "signal"}
    | {"socket", "subprocess", "tempfile", "threading", "time", "uuid"}
)
CLOCK_CALLS = frozenset({"now", "utcnow", "today"})


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def layer_of(module: str) -> str:
    """The layer of one of our modules: `maos_sup.core.model` -> `core`."""
    parts = module.split(".")
    return parts[1] if parts[0] == "maos_sup" and len(parts) > 1 else parts[0]


def imports(module: str, source: str, *, is_package: bool = False) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) for each import: statements, relative ones, import_module("...")."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = import_base(module, node, is_package=is_package)
            if base in ("maos_sup", KINDS, *ROOMS):  # from maos_sup import core: the names are modules
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, base
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, name) for name in imported_by_call(node))


def import_base(module: str, node: ast.ImportFrom, *, is_package: bool) -> str:
    """The absolute dotted name that a `from X import` names, relative ones resolved."""
    if not node.level:
        return node.module or ""
    package = module.split(".") if is_package else module.split(".")[:-1]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def imported_by_call(node: ast.Call) -> list[str]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name not in ("import_module", "__import__") or not node.args:
        return []
    first = node.args[0]
    return [first.value] if isinstance(first, ast.Constant) and isinstance(first.value, str) else []


def layer_problems(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Imports of ours that go against the arrows."""
    layer = layer_of(module)
    if layer not in MAY_IMPORT:
        return [f"{module}: {layer!r} is no layer; add it to MAY_IMPORT with its arrows"]
    problems = []
    for line, name in imports(module, source, is_package=is_package):
        if name.split(".")[0] not in PACKAGES or name in ("maos_sup", "maos_sup.__version__"):
            continue
        target = layer_of(name)
        if target not in MAY_IMPORT[layer]:
            problems.append(f"{module}:{line}: {layer} must not import {target} ({name})")
    return problems


def room_problems(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Imports inside a package of `ROOMS` that go up: each room knows only those that stand before it."""
    package = next((each for each in ROOMS if module.startswith(f"{each}.")), None)
    if package is None:
        return []
    order, own = ROOMS[package], room_of(module, package)
    if own not in order:
        return [f"{module}: {own!r} is no room; give it its place in ROOMS"]
    problems = []
    for line, name in imports(module, source, is_package=is_package):
        room = room_of(name, package) if name.startswith(f"{package}.") else own
        if room not in order[: order.index(own) + 1] and (own, room) not in ROOM_CYCLES:
            problems.append(f"{module}:{line}: {own} must not import {room}, which stands above it")
    return problems


def room_of(module: str, package: str) -> str:
    """The room of a module within `package`: its first name below it."""
    return module.removeprefix(f"{package}.").split(".")[0]


def kind_problems(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Imports of one kind by another, or of a kind by what all kinds share."""
    if not module.startswith(f"{KINDS}."):
        return []
    own = ".".join(module.split(".")[:4])
    return [
        f"{module}:{line}: kinds share through {SHARED_BY_KINDS} and must not import {name}"
        for line, name in imports(module, source, is_package=is_package)
        if name.startswith(f"{KINDS}.") and not within(name, own) and not within(name, SHARED_BY_KINDS)
    ]


def door_problems(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Third parties imported elsewhere than behind their door, or without one."""
    problems = []
    for line, name in imports(module, source, is_package=is_package):
        top = name.split(".")[0]
        if top in PACKAGES or top in sys.stdlib_module_names:
            continue
        doors = DOORS.get(top, ())
        if not any(within(module, door) for door in doors):
            where = " or ".join(doors) or "nowhere: give it a door in DOORS first"
            problems.append(f"{module}:{line}: {top} is imported only in {where}")
    return problems


def purity_problems(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Clocks, files, processes and chance in `core`."""
    if not within(module, "maos_sup.core"):
        return []
    problems = [
        f"{module}:{line}: core is pure and must not import {name}"
        for line, name in imports(module, source, is_package=is_package)
        if name.split(".")[0] in IMPURE
    ]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            problems.append(f"{module}:{node.lineno}: core is pure and must not open files")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and is_clock(node.func):
            problems.append(f"{module}:{node.lineno}: core is pure and must not read the clock")
    return problems


def is_clock(call: ast.Attribute) -> bool:
    owner = call.value.attr if isinstance(call.value, ast.Attribute) else getattr(call.value, "id", "")
    return call.attr in CLOCK_CALLS and owner in ("datetime", "date")


def print_problems(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """`print` outside the command line."""
    if within(module, "maos_sup.cli"):
        return []
    return [
        f"{module}:{node.lineno}: only the command line prints"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def docstring_problems(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """A module that does not say what it is for."""
    docstring = ast.get_docstring(ast.parse(source))
    return [] if docstring and docstring.strip() else [f"{module}: has no docstring"]


def length_problems(name: str, source: str) -> list[str]:
    """A file of more than 400 lines."""
    count = len(source.splitlines())
    return [f"{name}: {count} lines; split it before 400"] if count > LONGEST_FILE_LINES else []


Checker = Callable[..., list[str]]
CHECKERS: tuple[Checker, ...] = (
    layer_problems,
    door_problems,
    purity_problems,
    print_problems,
    docstring_problems,
    room_problems,
    kind_problems,
)


def modules() -> Iterator[tuple[str, str, bool]]:
    """Yield (dotted name, text, is a package) for each module of ours; packages still absent are none."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            yield name, path.read_text(encoding="utf-8"), is_package


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.__name__)
def test_source_keeps_the_rules(checker: Checker) -> None:
    problems = [
        problem
        for module, source, is_package in modules()
        for problem in checker(module, source, is_package=is_package)
    ]
    assert not problems, "\n".join(problems)


def test_files_end_before_400_lines() -> None:
    problems = [
        problem
        for folder in (*PACKAGES, "tests")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for problem in length_problems(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
    ]
    assert not problems, "\n".join(problems)


def test_modules_are_found_under_their_dotted_names() -> None:
    found = {name: is_package for name, _, is_package in modules()}
    assert found.get("maos_sup") is True
    assert found.get("state_layout.paths", False) is False
    assert all(name.split(".")[0] in PACKAGES for name in found)


def test_no_two_files_of_tests_have_the_same_name() -> None:
    """Most tests lie in folders that are no packages: there, the second file of a name is not collected."""
    loose = [
        path for path in (ROOT / "tests").rglob("test_*.py") if not (path.parent / "__init__.py").exists()
    ]
    names = Counter(path.name for path in loose)
    assert [name for name, count in names.items() if count > 1] == []


def test_nothing_is_imported_from_a_conftest() -> None:
    """There are many of that name: which one is found depends on what was collected before."""
    files = {path: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")}
    found = [path for path, text in files.items() for _, name in imports("tests", text) if name == "conftest"]
    assert found == []
