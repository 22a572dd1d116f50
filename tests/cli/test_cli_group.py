"""The table of commands, and the edge where errors end."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from maos_sup.cli import edge
from maos_sup.cli.entries import ENTRIES, HIDDEN
from maos_sup.cli.group import commands
from state_layout.errors import BadInput, Damaged
from state_layout.paths import Tree

Call = Callable[..., Any]
HEAVY = (
    *("rich", "watchdog", "psutil", "filelock", "orjson", "msgspec"),
    *("maos_sup.cli.run", "maos_sup.supervisor"),
)


def test_help_imports_no_command_and_nothing_heavy() -> None:
    code = (
        "import sys; from maos_sup.cli import main; main(['--help'])\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "resume" in done.stdout


def test_importing_the_command_line_imports_no_click() -> None:
    code = "import sys, maos_sup.cli; sys.exit('click' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 0


@pytest.mark.parametrize("name", [*ENTRIES, *HIDDEN])
def test_every_name_in_the_table_is_a_command_with_help(name: str) -> None:
    context = click.Context(commands)
    command = commands.get_command(context, name)
    assert command is not None
    assert command.get_help(click.Context(command, info_name=name))


def test_help_of_the_table_names_each_command(call: Call) -> None:
    answer = call("--help")
    assert answer.code == 0
    for name in ENTRIES:
        assert f"  {name} " in answer.out
    assert "orchestrate" not in answer.out


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["stauts"], "did you mean status"),
        (["frobnicate"], "no command 'frobnicate'"),
        (["set"], "DIR|ID"),
        (["list", "--limit", "x"], "--limit"),
        (["cleanup"], "--older-than"),
        (["send", "--type", "odd", "a", "b", "c"], "odd"),
        (["run", "--frob"], "--frob"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(call: Call, words: list[str], part: str) -> None:
    answer = call(*words)
    assert (answer.code, answer.out) == (2, "")
    assert part in answer.err
    assert answer.err.startswith("maos-sup: ")
    assert answer.err.count("\n") == 1


def test_no_words_at_all_show_help(call: Call) -> None:
    answer = call()
    assert answer.code == 2
    assert "resume" in answer.out + answer.err
    assert "maos-sup: " not in answer.out + answer.err
    assert "(see " not in answer.out + answer.err


def test_an_unknown_command_points_to_the_help_once(call: Call) -> None:
    assert call("frobnicate").err == "maos-sup: no command 'frobnicate' (see maos-sup --help)\n"


@pytest.mark.parametrize(
    ("error", "code"), [(BadInput("a", "b"), 2), (Damaged("x"), 12), (KeyboardInterrupt(), 130)]
)
def test_errors_become_their_exit_codes(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert edge.guarded(raiser(error), debug=False) == code
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"maos-sup: {line}" for line in str(error).splitlines()]


def test_a_bug_is_one_line_and_its_traceback_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edge.keep_tracebacks_in(tmp_path)
    assert edge.guarded(raiser(ZeroDivisionError("oops")), debug=False) == 1
    said = capsys.readouterr().err
    assert "this is a bug: ZeroDivisionError: oops" in said
    kept = next(tmp_path.glob("traceback-*.txt"))
    assert str(kept) in said
    assert "Traceback" in kept.read_text()


def test_a_traceback_goes_elsewhere_where_nobody_can_look_at_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    edge.keep_tracebacks_in(tmp_path / ("x" * 300))  # as in a folder that was closed meanwhile, for root too
    assert edge.guarded(raiser(ZeroDivisionError("oops")), debug=False) == 1
    assert f"kept in {next(tmp_path.glob('traceback-*.txt'))}" in capsys.readouterr().err


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert edge.guarded(raiser(ZeroDivisionError("oops")), debug=True) == 1
    assert "Traceback" in capsys.readouterr().err


def test_closed_pipe_ends_quietly() -> None:
    argv = f"{sys.executable} -m maos_sup --help | true"
    done = subprocess.run(["/bin/sh", "-c", argv], capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_descriptors_are_no_bug_and_get_no_file_of_a_tree(tree: Tree, closed: str) -> None:
    argv = f"{sys.executable} -m maos_sup send {tree.root} bob hello {closed}"
    done = subprocess.run(["/bin/sh", "-c", argv], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = tree.mail_file("bob", "operator").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["hello"]


def raiser(error: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


def test_version_is_printed_both_ways(call: Call) -> None:
    assert call("version").out.startswith("maos-sup ")
    assert call("--version").out.startswith("maos-sup ")
    assert '"format"' in call("version", "--json").out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_names_the_program(call: Call, shell: str) -> None:
    answer = call("completion", shell)
    assert answer.code == 0
    assert "_MAOS_SUP_COMPLETE" in answer.out


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["agent", "progress", "lots"], "VALUE is 'lots'; use a number, 1 for all done"),
        (["agent", "progress", "nan"], "VALUE is 'nan'; use a number, 1 for all done"),
        (["agent", "inbox", "--limit", "1.5"], "--limit is '1.5'; use a whole number from 1"),
        (["messages", "--limit", "0"], "--limit is '0'; use a whole number from 1"),
        (["logs", "-n", "x"], "--lines is 'x'; use a whole number from 0"),
        (["cleanup", "--older-than", "soon"], "--older-than is 'soon'; use a number from 0"),
        (["run", "--agents", "51", "words"], "--agents is '51'; use a whole number from 1 up to 50"),
        (
            ["list", "--status", "idle"],
            "--status is 'idle'; use running, paused, stopped, done, failed, interrupted or unreadable",
        ),
        (["completion", "dos"], "SHELL is 'dos'; use bash, zsh or fish"),
    ],
)
def test_bad_values_are_refused_in_one_line_of_ours(call: Call, words: list[str], text: str) -> None:
    answer = call(*words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == f"maos-sup: {text}\n"
