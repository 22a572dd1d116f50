"""Where a command prints to: a reader that has gone is 141, a full output one line and 1, for every one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_trees import new_tree
from living import own_words

from maos_sup.cli.entries import ENTRIES, HIDDEN, ORCHESTRATION
from state_layout.paths import Tree

FULL = Path("/dev/full")
CLOSED_PIPE = 141
SAID = "maos-sup: the output cannot be written: No space left on device"
PLAN = 'request = "r"\n[agents.a]\nkind = "command"\nshell = "echo hi"\ntask = "a"\n'


def ways(tree: Tree) -> Iterator[list[str]]:
    """Every command by its help, and every one that answers at once by its answer."""
    yield ["--help"]
    yield ["--version"]
    yield []
    for name in (*ENTRIES, *HIDDEN):
        yield [name, "--help"]
    for name in ("send", "inbox"):
        yield ["agent", name, "--help"]
    for name in ORCHESTRATION:
        yield ["orchestration", name, "--help"]
    where = str(tree.root)
    for shell in ("bash", "zsh", "fish"):
        yield ["completion", shell]
    yield from (["version"], ["roles"], ["list"], ["list", "--json"], ["plan", "plan.toml"])
    yield from ([name, where] for name in ("status", "messages", "checkpoint", "check", "pause", "answer"))
    yield from ([name, where, "--json"] for name in ("status", "messages", "check"))
    yield ["logs", where]
    yield ["set", where, "limits.max_agents", "3"]
    yield ["send", where, "alice", "hello"]


# Begins once and forks for each command: words as JSON lines in, a line of code and stderr out.
WALKER = """
import json, os, sys, tempfile
import maos_sup.cli, maos_sup.cli.edge, maos_sup.cli.group, maos_sup.views.status
for line in sys.stdin:
    words, number = json.loads(line), int(sys.argv[1])
    with tempfile.TemporaryFile() as said:
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(number, 1)
            os.dup2(said.fileno(), 2)
            sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)
            code = maos_sup.cli.main(words)
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        said.seek(0)
        print(json.dumps([words, code, said.read().decode()]), flush=True)
"""


def walked(commands: list[list[str]], stdout: int) -> list[tuple[list[str], int, str]]:
    """Each command with its exit code and what it said, its stdout being `stdout`."""
    lines = subprocess.run(
        [sys.executable, "-c", WALKER, str(stdout)],
        input="".join(json.dumps(words) + "\n" for words in commands),
        stdout=subprocess.PIPE,
        pass_fds=[stdout],
        text=True,
        timeout=600,
        check=True,
    ).stdout.splitlines()
    assert len(lines) == len(commands)
    return [tuple(json.loads(line)) for line in lines]


def called(words: list[str], stdout: int) -> tuple[list[str], int, str]:
    """The same of one command, as a program of its own: what its interpreter says at its end counts too."""
    done = subprocess.run(
        [sys.executable, "-m", "maos_sup", *words],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    return words, done.returncode, done.stderr


def broken_pipe() -> int:
    """The writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.fixture
def noisy(home: Path, tmp_path: Path) -> Tree:
    """A tree whose agent wrote something."""
    tree = new_tree(home, "20261121-0142-audit-7f3k")
    attempt = tree.agent("alice").attempt(1)
    attempt.root.mkdir(parents=True)
    attempt.stdout.write_text("a line\n" * 1000)
    tree.mail_box("alice").mkdir(exist_ok=True)
    (tree.mail_box("alice") / "operator.jsonl").write_text('{"text": "hello"}\n')
    (tmp_path / "plan.toml").write_text(PLAN)
    return tree


def test_every_command_is_walked(noisy: Tree) -> None:
    walked = {words[0] for words in ways(noisy) if words}
    assert walked >= {*ENTRIES, *HIDDEN}


@pytest.mark.timeout(900)
def test_full_output_is_one_line_and_a_reader_that_has_gone_is_141(noisy: Tree) -> None:
    commands = [words for words in ways(noisy) if words]
    programs = [["--version"], ["--help"], ["list", "--help"], ["logs", str(noisy.root)]]
    full, pipe = os.open(FULL, os.O_WRONLY), broken_pipe()
    told = {"full": walked(commands, full), "gone": walked(commands, pipe)}
    told["full"] += [called(words, full) for words in programs]
    told["gone"] += [called(words, pipe) for words in programs]
    os.close(full)
    os.close(pipe)
    wanted = {"full": (1, f"{SAID}\n"), "gone": (CLOSED_PIPE, "")}
    wrong = [
        (case, words, code, said)
        for case, answers in told.items()
        for words, code, said in answers
        if (code, said) != wanted[case]
    ]
    assert wrong == []


@pytest.mark.timeout(300)
def test_view_and_bus_whose_output_is_lost_say_so(noisy: Tree, home: Path, tmp_path: Path) -> None:
    with FULL.open("wb") as full:
        answer = called(["run", "plan.toml", "--dir", str(tmp_path / "t")], full.fileno())
    assert (answer[1], own_words(answer[2])) == (1, f"{SAID}\n")
    assert not list(tmp_path.rglob("traceback-*"))
    question = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    for stdout, code in ((os.open(FULL, os.O_WRONLY), 1), (broken_pipe(), CLOSED_PIPE)):
        bus = subprocess.run(
            [sys.executable, "-m", "maos_sup", "mcp", str(noisy.root), "--agent", "alice"],
            input=json.dumps(question).encode() + b"\n",
            stdout=stdout,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
        os.close(stdout)
        assert bus.returncode == code, bus.stderr
        assert b"Traceback" not in bus.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "2>/dev/full", ">/dev/full 2>/dev/full"])
def test_closed_or_full_descriptors_are_no_bug(noisy: Tree, tmp_path: Path, closed: str) -> None:
    for words, code in ((f"status {noisy.root}", 0), ("status nowhere", 10)):
        line = f"{sys.executable} -m maos_sup {words} {closed}"
        done = subprocess.run(["sh", "-c", line], capture_output=True, timeout=120, check=False)
        assert done.returncode == (1 if closed.startswith(">/dev/full") and code == 0 else code), line
        assert b"bug" not in done.stderr
    assert not list(tmp_path.rglob("traceback-*"))
