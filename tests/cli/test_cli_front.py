"""What is typed most starts with little: help and versions know no tree, and they and `status` no click."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import click
import pytest
from living import MAOS_SUP

from maos_sup.cli.front import page
from maos_sup.cli.group import commands
from state_layout.paths import Tree

Call = Callable[..., Any]
# What was imported since the interpreter was up, by a command line in a process of its own.
COUNT = """
import json, sys
before = set(sys.modules)
from maos_sup.cli import main
sys.argv[0] = "maos-sup"
code = main()
print(json.dumps([code, sorted(set(sys.modules) - before)]), file=sys.stderr)
"""
MOST_FOR_HELP = 40  # modules, most of them imported by `typing`
MOST_OF_OURS = {"version": 9, "status": 81}
READS_OPTIONS = {"click", "inspect", "shutil", "tempfile", "subprocess", "socket", "logging", "asyncio"}
OF_A_TREE = {"state_layout", "msgspec", "orjson", "pathlib", "dataclasses"}


def imported(*words: str) -> set[str]:
    environment = os.environ | {"COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", COUNT, *words], env=environment, capture_output=True, text=True, check=True
    )
    code, names = json.loads(done.stderr)
    assert code == 0
    return set(names)


def ours(names: set[str]) -> set[str]:
    return {name for name in names if name.startswith(("maos_sup", "state_layout"))}


@pytest.mark.parametrize("width", range(50, 80))
def test_page_is_what_click_would_make_of_the_commands(width: int) -> None:
    context = click.Context(commands, info_name="maos-sup", terminal_width=width, **commands.context_settings)
    assert page(width) == context.get_help()


@pytest.mark.parametrize("columns", ["20", "60", "80", "300", "none", "0"])
def test_help_is_the_same_with_and_without_click(columns: str) -> None:
    environment = os.environ | {"COLUMNS": columns}
    told = {
        subprocess.run([*MAOS_SUP, *words], env=environment, capture_output=True, check=True).stdout
        for words in (["--help"], ["-h"], ["help"], ["--debug", "--help"])
    }
    assert len(told) == 1


def test_versions_are_the_same_with_and_without_options(call: Call) -> None:
    assert call("version").out == call("version", "--system").out.splitlines(keepends=True)[0]
    assert call("-V").out == call("--version").out == call("--debug", "--version").out


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--version"], ["-V"]])
def test_help_and_version_read_no_options_and_know_no_tree(words: list[str]) -> None:
    names = imported(*words)
    assert not names & (READS_OPTIONS | OF_A_TREE)
    assert ours(names) - {"maos_sup", "maos_sup.cli"} == {
        "maos_sup.cli.edge",
        "maos_sup.cli.entries",
        "maos_sup.cli.front",
        "maos_sup.cli.outputs",
    }
    assert len(names) <= MOST_FOR_HELP


def test_version_of_trees_reads_no_options() -> None:
    names = imported("version")
    assert not names & (READS_OPTIONS - {"inspect"})
    assert len(ours(names)) <= MOST_OF_OURS["version"]


def test_status_imports_no_more_than_it_did(tree: Tree) -> None:
    names = imported("status", str(tree.root))
    assert not names & (READS_OPTIONS - {"inspect"})  # which orjson imports
    assert len(ours(names)) <= MOST_OF_OURS["status"]


def test_what_status_always_imports_is_what_a_living_team_needs() -> None:
    code = (
        "import sys, maos_sup.cli.glance; names = set(sys.modules)\n"
        "rare = names & {'_hashlib', 'threading', 'state_layout.lives.leases'}\n"
        "assert not rare and 'state_layout.files.journal' not in names, rare"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_lost_reader_of_the_help_is_no_error() -> None:
    argv = f"{sys.executable} -m maos_sup --help | true"
    done = subprocess.run(["/bin/bash", "-c", f"set -o pipefail; {argv}"], capture_output=True, check=False)
    assert (done.returncode in (0, 141), done.stderr) == (True, b"")
