"""The function that a `python` agent calls is looked for when the plan is checked; nothing of it is run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from maos_sup.planner.plan import Plan
from state_layout.errors import BadInput

Load = Callable[..., Plan]
SOURCE = """
raise SystemExit("nobody runs this")
from json import loads as parse
made = object()
class Work:
    def run(self, context): ...
def main(context): ...
async def later(context): ...
if made:
    def maybe(context): ...
try:
    import fast
except ImportError:
    def fallback(context): ...
"""


def plan(name: str, more: str = "") -> str:
    return f'request = "x"\n{more}\n[agents.a]\nkind = "python"\ncallable = "{name}"\ntask = "do"\n'


@pytest.mark.parametrize(
    "name",
    [
        *(
            "work:main",
            "work:made",
            "work:parse",
            "work:Work.run",
            "work:maybe",
            "work:fallback",
            "work:fast",
        ),
        *("pack:go", "pack.deep:go", "anything:at_all", "magic:at_all", "json:loads", "os.path:join"),
        *("json.decoder:scanner", "json:decoder", "math:sin", "enum:Enum", "collections.abc:Mapping"),
        *("xml.dom:minidom", "shutil:rmtree", "hidden:at_all", "asyncio:run", "unittest:main"),
    ],
)
def test_function_that_may_be_there_is_taken(load: Load, tmp_path: Path, name: str) -> None:
    (tmp_path / "work.py").write_text(SOURCE)
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("def go(context): ...")
    (tmp_path / "pack" / "deep.py").write_text("def go(context): ...")
    (tmp_path / "anything.py").write_text("from json import *")
    (tmp_path / "hidden.py").write_text("globals().update(at_all=print)")
    (tmp_path / "magic.py").write_text("def __getattr__(name): ...")
    assert load(plan(name)).agents["a"]["callable"] == name


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("work:mian", "but work.py defines no 'mian'; did you mean 'main'?"),
        ("work:nothing", "but work.py defines no 'nothing'; define it"),
        ("work:later", "but 'later' in work.py is async"),
        (
            "json:laods",
            "but the module 'json', which is installed, defines no 'laods'; did you mean 'loads'?",
        ),
        (
            "json.tool:nosuch",
            "but the module 'json.tool', which is installed, defines no 'nosuch'; name a function",
        ),
        ("nowhere_at_all:main", "but there is no module 'nowhere_at_all' beside the plan or in Python"),
        ("broken:main", "but broken.py:1 is no valid Python"),
    ],
)
def test_function_that_is_not_there_is_named_with_its_line(
    load: Load, tmp_path: Path, name: str, error: str
) -> None:
    (tmp_path / "work.py").write_text(SOURCE)
    (tmp_path / "broken.py").write_text("def (\n")
    with pytest.raises(BadInput) as refused:
        load(plan(name))
    (problem,) = refused.value.problems
    assert problem.startswith(f"{tmp_path}/plan.toml:5: 'agents.a.callable' is {name!r}, {error}")


def test_module_in_the_project_is_found(load: Load, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "till.py").write_text("def main(context): ...")
    assert load(plan("till:main", 'project = "shop"'))
    with pytest.raises(BadInput, match="beside the plan, in the project or in Python"):
        load(plan("tills:main", 'project = "shop"'))
