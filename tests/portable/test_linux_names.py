"""Names that only Linux has stand where only Linux goes, or where somebody looks first if they are there."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WHOLE = frozenset(  # the rooms of mechanisms that no other system enters
    {"maos_sup/launchers/zygote.py", "maos_sup/launchers/link.py", "maos_sup/launchers/spare.py"}
    | {"maos_sup/agents/sandbox/landlock.py", "maos_sup/agents/pulse/dnotify.py"}
)
GUARDED = {  # functions that look first, and at what
    ("state_layout/files/disk.py", "begin_write"): "_CAN_ADVISE",
    ("state_layout/files/disk.py", "fdatasync"): "_CAN_SYNC_DATA",
    ("state_layout/check/shares.py", "_processors"): "hasattr",
    ("state_layout/host/identity.py", "open_pidfd"): "hasattr",
    ("maos_sup/agents/kinds/shared/programs.py", "_memory_file"): "hasattr",
    ("maos_sup/agents/sandbox/confine.py", "_readable"): "hasattr",
    ("maos_sup/system/ears.py", "__init__"): "is_linux",
    ("maos_sup/system/ears.py", "listen"): "there is an epoll",
    ("maos_sup/system/linux.py", "of_end"): "a type, never evaluated",
    ("maos_sup/system/linux.py", "set_open_limit"): "AttributeError is passed over",
    ("maos_sup/system/linux.py", "exit_of"): "who has a pidfd is on Linux",
    ("maos_sup/system/targets.py", "_send"): "there is a pidfd",
    ("maos_sup/system/targets.py", "can_signal_by_pidfd"): "there is a pidfd",
    ("maos_sup/system/children.py", "has_children"): "is_linux",
    ("maos_sup/system/children.py", "reap"): "knows_children",
    ("maos_sup/launchers/sweep.py", "reap_orphans"): "no children are listed elsewhere",
}


def names_of_linux() -> dict[str, frozenset[str]]:
    """Read what the stand-in for another system hides."""
    path = Path(__file__).parent / "hidden" / "linux_names.py"
    spec = importlib.util.spec_from_file_location("linux_names", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, frozenset[str]] = module.NAMES
    return found


NAMES = names_of_linux()


def uses(source: str) -> Iterator[tuple[str, str]]:
    """(function, name) for each name of Linux in `source`; "" for none around it."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
            continue
        if node.attr in NAMES.get(node.value.id, ()):
            around = [each for each in functions if each.lineno <= node.lineno <= (each.end_lineno or 0)]
            yield max(around, key=lambda each: each.lineno).name if around else "", node.attr


def test_names_of_linux_are_guarded() -> None:
    found = {
        (str(path.relative_to(ROOT)), function): name
        for package in ("maos_sup", "state_layout")
        for path in (ROOT / package).rglob("*.py")
        for function, name in uses(path.read_text(encoding="utf-8"))
    }
    found = {place: name for place, name in found.items() if place[0] not in WHOLE}
    assert {place: found[place] for place in found.keys() - GUARDED.keys()} == {}, "look first if it is there"
    assert GUARDED.keys() - found.keys() == set(), "nothing of Linux stands there any more"


@pytest.mark.parametrize(("line", "function"), [("x = os.O_PATH", ""), ("def f():\n    os.pipe2(0)", "f")])
def test_one_is_found_wherever_it_stands(line: str, function: str) -> None:
    assert [place for place, _ in uses(f"import os\n{line}\n")] == [function]
