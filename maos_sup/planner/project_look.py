"""Says what a project is, as its files say: its language, how tests are run, agents of Claude Code in it.

Reads only. What cannot be read is taken as not there: the user corrects the plan that is made of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from state_layout.files.reading import Unreadable, is_file, read_regular

CLAUDE_AGENTS = Path(".claude") / "agents"
_MOST_BYTES = 256 << 10
_MAKE_TEST = re.compile(r"^test\s*:(?!=)", re.MULTILINE)
_NO_NPM_TEST = "no test specified"  # what `npm init` writes
_FIELD = re.compile(r"^(name|description):\s*(.*?)\s*$", re.MULTILINE)
# The file that says so, the language, how tests are run. The first one that is there decides.
_LANGUAGES = (
    ("Cargo.toml", "Rust", "cargo test"),
    ("go.mod", "Go", "go test ./..."),
    ("pom.xml", "Java", "mvn -q test"),
    ("build.gradle", "Java", "./gradlew test"),
    ("build.gradle.kts", "Kotlin", "./gradlew test"),
    ("mix.exs", "Elixir", "mix test"),
    ("Gemfile", "Ruby", "bundle exec rake test"),
    ("composer.json", "PHP", "composer test"),
)
_PYTHON = ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeAgent:
    """An agent of Claude Code is a file of `.claude/agents/`."""

    name: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A look at a project found this. `test` is a command line for a shell, None where none is known."""

    language: str | None = None
    test: str | None = None
    because: str | None = None  # the file that says so
    claude_agents: tuple[ClaudeAgent, ...] = ()


def look_at(folder: Path) -> Project:
    """Look what the project in `folder` is. Never raises."""
    language, test, because = next(_found(folder), (None, None, None))
    if _MAKE_TEST.search(_text(folder / "Makefile")):
        test, because = "make test", "Makefile"
    agents = tuple(_claude_agents(folder / CLAUDE_AGENTS))
    return Project(language=language, test=test, because=because, claude_agents=agents)


def _found(folder: Path) -> Iterator[tuple[str, str | None, str]]:
    for name, language, test in _LANGUAGES:
        if is_file(folder / name):
            yield language, test, name
    if is_file(folder / "package.json"):
        yield "JavaScript", _npm_test(folder), "package.json"
    for name in _PYTHON:
        if is_file(folder / name):
            yield "Python", _python_test(folder), name


def _npm_test(folder: Path) -> str | None:
    try:
        told = json.loads(_text(folder / "package.json"))
    except (ValueError, RecursionError):
        return None
    scripts = told.get("scripts") if isinstance(told, dict) else None
    test = scripts.get("test") if isinstance(scripts, dict) else None
    return "npm test" if isinstance(test, str) and _NO_NPM_TEST not in test else None


def _python_test(folder: Path) -> str | None:
    says_pytest = any(
        "pytest" in _text(folder / name) for name in (*_PYTHON, "tox.ini", "requirements-dev.txt")
    )
    if says_pytest or is_file(folder / "pytest.ini") or is_file(folder / "conftest.py"):
        return "python3 -m pytest -q"
    if any((folder / "tests").glob("test*.py")) or any(folder.glob("test*.py")):
        return "python3 -m unittest discover"
    return None


def _claude_agents(folder: Path) -> Iterator[ClaudeAgent]:
    for path in sorted(folder.glob("*.md")):
        head, text = "", _text(path)
        if text.startswith("---\n"):
            head = text[4:].partition("\n---")[0]
        fields = {key: item.strip("\"'") for key, item in _FIELD.findall(head)}
        yield ClaudeAgent(
            name=fields.get("name") or path.stem, description=" ".join(fields.get("description", "").split())
        )


def _text(path: Path) -> str:
    try:
        data, _ = read_regular(path, most_bytes=_MOST_BYTES, through_links=True)
    except (OSError, Unreadable):
        return ""
    return data.decode("utf-8", "replace").replace("\r\n", "\n")
