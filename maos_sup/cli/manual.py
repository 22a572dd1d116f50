"""The manual page, made of the commands and of the exit codes in docs/commands.md: `make man` writes it.

    python -m maos_sup.cli.manual docs/commands.md docs/maos-sup.1

The page holds no date: the same commands give the same page.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from maos_sup.cli.entries import SECTIONS
from maos_sup.cli.group import commands

_ENVIRONMENT = {
    "MAOS_SUP_HOME": "the folder of orchestrations; ~/.maos-sup otherwise",
    "MAOS_SUP_CLAUDE": "Claude Code's program, where it is not called claude in PATH",
    "MAOS_SUP_DEBUG": "as --debug",
    "ANTHROPIC_API_KEY": "for agents with a model; ANTHROPIC_BASE_URL names another server",
    "NO_COLOR": "no colours",
    "VISUAL, EDITOR": "what e in the view and [e]dit open",
}
_EXIT_ROW = re.compile(r"^\| (\d+) \| (.+) \|$", re.MULTILINE)


def man_page(table: str) -> str:
    """The page, with the exit codes that the text of docs/commands.md has."""
    return "\n".join(_lines(table)) + "\n"


def _lines(table: str) -> Iterator[str]:
    yield '.TH MAOS-SUP 1 "" "maos-sup" "User Commands"'
    yield ".SH NAME"
    yield r"maos-sup \- run several agents as processes on a tree of plain files"
    yield ".SH SYNOPSIS"
    yield r".B maos-sup"
    yield r"\fICOMMAND\fR [\fIOPTION\fR]... [\fIARGUMENT\fR]..."
    yield ".SH DESCRIPTION"
    yield from _paragraphs(commands.help or "")
    for title, section in SECTIONS.items():
        yield f".SH {title.upper()}"
        for name in section:
            command = commands.get_command(click.Context(commands), name)
            if command is not None:
                yield from _command(command, f"maos-sup {name}")
    yield ".SH EXIT STATUS"
    for code, meaning in _EXIT_ROW.findall(table):
        yield from (".TP", f".B {code}", _escaped(meaning.replace("\\|", "|").replace("`", "")))
    yield ".SH ENVIRONMENT"
    for name, meaning in _ENVIRONMENT.items():
        yield from (".TP", f".B {name}", _escaped(meaning))
    yield ".SH FILES"
    yield from (".TP", ".I ~/.maos-sup/ID", "an orchestration: README.txt in it says what may be edited")


def _command(command: click.Command, path: str) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    usage = " ".join(command.collect_usage_pieces(context))
    yield from (".SS", _escaped(f"{path} {usage}".strip()))
    yield from _paragraphs(command.help or "")
    for param in command.params:
        record = param.get_help_record(context) if isinstance(param, click.Option) else None
        if record is not None:
            yield from (".TP", f".B {_escaped(record[0])}", _escaped(" ".join(record[1].split())))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _command(inner, f"{path} {name}")


def _paragraphs(text: str) -> Iterator[str]:
    for number, part in enumerate(inspect.cleandoc(text).split("\n\n")):
        if number:
            yield ".PP"
        yield _escaped(" ".join(part.replace("\b", "").split()))


def _escaped(text: str) -> str:
    """`text` as roff shows it: no line of it is an order."""
    shown = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{shown}" if shown.startswith((".", "'")) else shown


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(man_page(Path(sys.argv[1]).read_text(encoding="utf-8")), encoding="utf-8")
