"""What is known of kinds stands in one table, and a kind of another package is treated as ours are."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from maos_sup.agents.registry import BUILT_IN as TARGETS
from maos_sup.agents.registry import find_kind
from maos_sup.cuts.take import _settling
from maos_sup.planner.placing import _shares
from maos_sup.planner.plan import Plan
from maos_sup.views.planned import command_agents
from state_layout.specs import kinds
from state_layout.specs.kinds import BUILT_IN, KindTraits, begins_anew, traits_of

ROOT = Path(__file__).resolve().parents[1]
KNOW_KINDS = frozenset({"state_layout/specs/kinds.py", "maos_sup/agents/registry.py"})
THEIRS = """
from state_layout.shapes.shape import Shape
from state_layout.specs.kinds import KindTraits


class Mine:
    settings = Shape(fields={})
    traits = KindTraits(has_model=True, runs_words_of_plan=False, is_exact=True, begins_anew=True,
                        writing_tools=frozenset({"pen"}), branching={"way": frozenset({"copy"})})


class Plain:
    settings = Shape(fields={})


class Odd:
    settings = Shape(fields={})
    traits = "has a model"
"""


def kinds_named(source: str) -> Iterator[tuple[int, set[str]]]:
    """(line, names) for each collection in `source` that names several kinds, and comparison with one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Set | ast.Tuple | ast.List):
            parts: list[ast.expr | None] = [*node.elts]
        elif isinstance(node, ast.Dict):
            parts = [*node.keys]
        elif isinstance(node, ast.Compare) and _is_kind(node.left):
            parts = [*node.comparators, ast.Constant("cli"), ast.Constant("claude")]
            parts = parts if any(_name(part) in BUILT_IN for part in node.comparators) else []
        else:
            continue
        found = {name for part in parts if (name := _name(part)) in BUILT_IN}
        if len(found) > 1:
            yield node.lineno, found


def _name(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_kind(node: ast.expr) -> bool:
    """It reads like `spec.kind`, `kind`, `agent["kind"]` or `agent.get("kind")`."""
    if isinstance(node, ast.Call):
        return any(_name(each) == "kind" for each in node.args)
    if isinstance(node, ast.Subscript):
        return _name(node.slice) == "kind"
    return getattr(node, "attr", getattr(node, "id", "")) == "kind"


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with three kinds, installed."""
    info = tmp_path / "their_package-1.dist-info"
    info.mkdir()
    (tmp_path / "their_package.py").write_text(THEIRS)
    lines = ("mine = their_package:Mine", "plain = their_package:Plain", "odd = their_package:Odd")
    lines = (*lines, "gone = their_package:Gone", "broken = no_such_package:Kind")
    (info / "entry_points.txt").write_text("\n".join(["[maos_sup.kinds]", *lines, ""]))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their_package\nVersion: 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    kinds._of_another_package.cache_clear()
    yield
    kinds._of_another_package.cache_clear()
    sys.modules.pop("their_package", None)


def test_each_kind_of_ours_has_its_traits() -> None:
    assert BUILT_IN.keys() == TARGETS.keys()
    for name in TARGETS:
        assert getattr(find_kind(name), "traits") is BUILT_IN[name]  # noqa: B009 - no part of the Protocol


def test_kinds_are_named_together_in_one_place_only() -> None:
    found = [
        f"{where}:{line}: names the kinds {', '.join(sorted(names))}; make it a trait (specs/kinds.py)"
        for package in ("maos_sup", "state_layout")
        for path in sorted((ROOT / package).rglob("*.py"))
        if (where := path.relative_to(ROOT).as_posix()) not in KNOW_KINDS
        for line, names in kinds_named(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        'X = {"claude", "cli"}',
        'X = frozenset(("python", "command"))',
        'X = {"claude": 1, "anthropic": 2}',
        'spec.kind == "anthropic"',
        'agent["kind"] == "cli"',
        'agent.get("kind") != "claude"',
    ],
)
def test_a_set_of_kinds_is_found_however_it_is_written(text: str) -> None:
    assert list(kinds_named(text))
    assert not list(kinds_named(text.replace("cl", "x").replace("an", "x").replace("m", "x")))


@pytest.mark.usefixtures("theirs")
def test_traits_of_a_kind_of_another_package_are_those_of_its_class() -> None:
    assert traits_of("mine").has_model
    for name in ("plain", "odd", "gone", "broken", "nowhere"):
        assert traits_of(name) == KindTraits()


@pytest.mark.usefixtures("theirs")
def test_kind_of_another_package_is_placed_shown_and_taken_back_as_its_traits_say(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    plan = Plan(path=path, orchestration={}, agents={}, tasks={}, files={}, project=tmp_path)
    assert [_shares(plan, {"kind": kind}) for kind in ("mine", "plain")] == [True, False]
    assert not _shares(plan, {"kind": "mine", "tools": ["eye"]})
    assert _shares(plan, {"kind": "mine", "tools": ["eye", "pen"]})
    words = {kind: {"kind": kind, "command": ["run", kind]} for kind in ("mine", "plain")}
    assert command_agents(words) == {"plain": "run plain"}
    assert begins_anew("mine", {}) and not begins_anew("mine", {"way": "copy"})
    assert not begins_anew("plain", {})
    assert _settling(None, "ann", "mine", {"t": "running"}) is None  # type: ignore[arg-type]  # is not asked
