"""Puts a tree to an ordeal: damages it, calls commands in this process, and says which promise was broken.

The promises: never a traceback, never a hang, never anything read or written outside of the tree, no control
sequence for a terminal in what people are shown. A refusal in words, with a documented exit code, is fine.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from check_trees import copy_in_place
from torments import SECRET, footprint, make_elsewhere

from maos_sup.cli import main
from state_layout.paths import Tree

FUZZ_SECONDS = float(os.environ.get("MAOS_SUP_FUZZ_SECONDS", "0"))
PATIENCE_S = 100  # of one command; the slowest takes well under one
DOCUMENTED = frozenset({0, 1, 2, 3, 10, 11, 12, 130})
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # what a terminal would obey; \r among them

LOOKS: tuple[tuple[str, ...], ...] = (
    ("status", "TREE"),
    ("status", "TREE", "--json"),
    ("status", "TREE", "--messages"),
    ("logs", "TREE"),
    ("logs", "TREE", "alice", "--json"),
    ("logs", "TREE", "bob", "--attempt", "1", "-n", "3"),
    ("logs", "TREE", "-f"),
    ("messages", "TREE"),
    ("messages", "TREE", "--json"),
    ("checkpoint", "TREE"),
    ("checkpoint", "TREE", "--json"),
    ("check", "TREE"),
    ("check", "TREE", "--json"),
    ("list",),
    ("list", "--json"),
    ("cleanup", "--older-than", "0", "--dry-run"),
)
DEEDS: tuple[tuple[str, ...], ...] = (
    ("pause", "TREE"),
    ("pause", "TREE", "--agent", "alice"),
    ("cancel", "TREE", "--task", "report"),
    ("stop", "TREE"),
    ("set", "TREE", "limits.max_agents", "3"),
    ("set", "TREE", "tasks/count.timeout_s", "9"),
    ("save-interval", "TREE", "2"),
    ("send", "TREE", "alice", "hello"),
    ("send", "TREE", "all", "hello"),
    ("answer", "TREE", "alice", "yes"),
    ("agent", "inbox", "--ack"),
    ("agent", "send", "bob", "hello"),
    ("agent", "progress", "0.5"),
    ("agent", "checkpoint"),
    ("agent", "checkpoint", "1"),
    ("agent", "artifact", "report.md"),
    ("check", "TREE", "--repair"),
    ("check", "TREE"),
    ("cleanup", "--older-than", "0", "--force"),
)


class Answer(NamedTuple):
    """Holds what a command answered."""

    code: int
    out: str
    err: str


class Hang(BaseException):
    """A command took too long; no `except Exception` catches it."""


class Ordeal:
    """One tree, in a home of its own, with a folder outside of it that is to stay as it is."""

    def __init__(self, folder: Path, template: Tree) -> None:
        self.folder, self.home = folder, folder / "home"
        self.home.mkdir(parents=True)
        self.elsewhere = make_elsewhere(folder / "elsewhere")
        self.tree = copy_in_place(template, self.home / "20261121-0142-count-files-7f3k")
        self._before = footprint(self.elsewhere)

    def broken_by(self, words: tuple[str, ...]) -> str | None:
        """Call a command; which promise it broke, if any."""
        try:
            with _alarm(PATIENCE_S), _surroundings(self):
                answer = call(*(str(self.tree.root) if word == "TREE" else word for word in words))
        except Hang:
            return f"{' '.join(words)}: hangs\n{traceback.format_exc()}"
        broken = self._verdict(words, answer)
        return None if broken is None else f"{' '.join(words)}: {broken}\n{answer.out[-2000:]}\n{answer.err}"

    def _verdict(self, words: tuple[str, ...], answer: Answer) -> str | None:
        said = answer.out + answer.err
        if answer.code not in DOCUMENTED or "this is a bug" in said or "Traceback" in said:
            return f"exit code {answer.code}, a bug"
        if answer.code and not said.strip():
            return f"exit code {answer.code} without a word"
        if SECRET in said:
            return "what lies outside of the tree was read"
        if found := _OBEYED.search(answer.err if words[0] in _RAW else said):
            return f"a terminal would obey {found[0]!r}"
        if footprint(self.elsewhere) != self._before:
            return "something outside of the tree was written"
        return None


_RAW = ("logs",)  # what programs wrote goes as it is into files and pipes; terminals are another test


def call(*words: str) -> Answer:
    """Call a command as the console script does."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["--debug", *words])
    return Answer(code, out.getvalue(), err.getvalue())


@contextmanager
def ordeal(template: Tree) -> Iterator[Ordeal]:
    """A fresh ordeal, in memory where that is possible."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as name:
        made = Ordeal(Path(name), template)
        try:
            yield made
        finally:
            _open_all(made.folder)


def _open_all(folder: Path) -> None:
    """So that it can be deleted."""
    for path, folders, _ in os.walk(folder):
        for name in folders:
            if not (Path(path) / name).is_symlink():
                (Path(path) / name).chmod(0o700)


@contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    def ring(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _surroundings(ordeal: Ordeal) -> Iterator[None]:
    """The environment and the folder that a program of alice's has."""
    before, where = dict(os.environ), Path.cwd()
    workspace = ordeal.tree.agent("alice").workspace
    os.environ |= {
        "MAOS_SUP_HOME": str(ordeal.home),
        "MAOS_DIR": str(ordeal.tree.root),
        "MAOS_AGENT": "alice",
        "MAOS_ATTEMPT": "2",
        "MAOS_TASK_ID": "count",
        "MAOS_RUN": "1",
        "MAOS_CONTROL": str(ordeal.tree.agent("alice").attempt(2).control),
        "MAOS_CHECKPOINT": str(ordeal.tree.agent("alice").session / "checkpoint.json"),
        "MAOS_ARTIFACTS": str(ordeal.tree.agent("alice").artifacts),
        "MAOS_WORKSPACE": str(workspace),
    }
    os.chdir(workspace if workspace.is_dir() else ordeal.folder)
    try:
        yield
    finally:
        os.chdir(where)
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def remove(path: Path) -> None:
    """Remove whatever is there."""
    shutil.rmtree(path, ignore_errors=True)
