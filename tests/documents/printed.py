"""The commands that a document prints, and a place to replay them: a fresh home and a small checkout.

A command is a line of a block that is indented by four spaces, or of a fence marked `sh`. What a document
leaves to the reader (`ID`, `AGENT`, `TEXT`) is filled in; what cannot be replayed is left out, with a reason.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from processes import kill, with_variable

REPOSITORY = Path(__file__).resolve().parents[2]
VARIABLE = "MAOS_SUP_DOCUMENTS"
_COLUMNS = re.compile(r"\s{2,}(?=maos-sup )")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PATIENCE_S = 300


@dataclass(frozen=True, slots=True)
class Block:
    """Commands that stand together. `line` is where they begin in the document."""

    line: int
    commands: tuple[str, ...]


def blocks_of(text: str) -> list[Block]:
    """The blocks of commands of a document, in its order."""
    found = [
        (text.count("\n", 0, hit.start(2)) + 1, hit[2]) for hit in _FENCE.finditer(text) if hit[1] == "sh"
    ]
    bare = _FENCE.sub(lambda hit: "\n" * hit[0].count("\n"), text)
    for hit in re.finditer(r"(?:^ {4}\S.*\n(?:^ {4,}\S.*\n)*)", bare, re.MULTILINE):
        if bare[: hit.start()].endswith("\n\n"):
            found.append((bare.count("\n", 0, hit.start()) + 1, hit[0]))
    return [Block(line, tuple(_commands(part))) for line, part in sorted(found)]


def fence(text: str, language: str, number: int = 0) -> str:
    """The text of the `number`th fence of that language."""
    return [hit[2] for hit in _FENCE.finditer(text) if hit[1] == language][number]


def _commands(block: str) -> Iterator[str]:
    for line in block.splitlines():
        line = line.removeprefix("    ")
        if line.strip():
            yield from (part.rstrip() for part in _COLUMNS.split(line))


@dataclass(kw_only=True)
class Place:
    """A home and a checkout of their own; everything that is started there is ended by `close`."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home, self.checkout = self.folder / "home", self.folder / "checkout"
        self.home.mkdir()
        self.checkout.mkdir()
        self.mark = uuid.uuid4().hex
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("MAOS_", "ANTHROPIC_"))
        }
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = {
            **kept,
            VARIABLE: self.mark,
            "HOME": str(self.home),
            "PATH": path,
            **self.environment,
        }

    def copy(self, *names: str) -> None:
        """Take these folders of the repository along, as a git repository of one commit."""
        for name in names:
            shutil.copytree(
                REPOSITORY / name, self.checkout / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        who = ("-c", "user.name=you", "-c", "user.email=you@localhost")
        for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "Begin")):
            subprocess.run(["git", *words], cwd=self.checkout, check=True)

    def trees(self) -> list[str]:
        """The ids in the home, the oldest first."""
        return sorted(path.name for path in (self.home / ".maos-sup").glob("2*"))

    def run(self, script: str, *, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run lines of a shell, to the first that fails."""
        return subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", script],
            cwd=folder or self.checkout,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )

    def replay(self, block: Block, *, rules: Mapping[str, str | None], words: Mapping[str, str]) -> str:
        """Run a block as it is printed; what it wrote. `rules`: what is run instead, by the printed command's
        beginning, None for nothing. `words`: what stands for what the reader fills in."""
        script = "\n".join(self.script(block, rules=rules, words=words))
        done = self.run(script)
        assert done.returncode == 0, (
            f"line {block.line}:\n{script}\n\nexit code {done.returncode}:\n{done.stdout}"
        )
        return done.stdout

    def script(
        self, block: Block, *, rules: Mapping[str, str | None], words: Mapping[str, str]
    ) -> Iterator[str]:
        """The lines of the block as they are run."""
        for command in block.commands:
            rule = next((beginning for beginning in rules if command.startswith(beginning)), None)
            line = command if rule is None else rules[rule]
            if line is None:
                continue
            for word, meant in words.items():
                line = re.sub(rf"(?<![\w$-]){word}(?![\w-])", meant, line)
            yield line

    def close(self) -> None:
        """End whatever was started and still runs."""
        while pids := with_variable(f"{VARIABLE}={self.mark}"):
            kill(*pids)
