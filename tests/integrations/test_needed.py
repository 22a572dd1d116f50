"""An import that lacks a framework's package names the line that installs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

WITHOUT = """
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {modules!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)

sys.meta_path.insert(0, Without())
import {imported}
"""
CASES = [
    ("maos_sup.integrations.langgraph", ["langgraph", "langchain_core"], "langgraph-checkpoint"),
    ("maos_sup.integrations.langgraph.saver", ["langgraph"], "langgraph-checkpoint"),
    ("maos_sup.integrations.claude_sdk", ["claude_agent_sdk"], "claude-agent-sdk"),
    ("maos_sup.integrations.integrity", ["agmi"], "agent-memory-integrity"),
]


def imported(name: str, without: list[str]) -> subprocess.CompletedProcess[str]:
    program = WITHOUT.format(modules=without, imported=name)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(("name", "without", "package"), CASES)
def test_a_missing_package_is_named_with_the_line_that_installs_it(
    name: str, without: list[str], package: str
) -> None:
    done = imported(name, without)
    assert done.returncode == 1
    assert f"ImportError: this part of maos-sup needs the package {package}: " in done.stderr
    assert f"-m pip install {package}" in done.stderr


def test_what_an_import_lacks_for_other_reasons_is_told_as_it_is() -> None:
    done = imported("maos_sup.integrations.langgraph", ["orjson"])
    assert "ModuleNotFoundError: No module named 'orjson'" in done.stderr
    assert "pip install" not in done.stderr
