"""Says which argument of a command stands for a file that came with the plan (`spec/files/`, FORMAT.md).

Pure: whether a file is there is asked of the caller. Planner and agents must agree, so both ask here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_SHELL = re.compile(r"(ba|da|z|k|fi|a|pw)?sh")
_INTERPRETER = re.compile(
    r"(ba|da|z|k|fi|a|pw)?sh|(python|pypy)[\d.]*w?|perl[\d.]*|ruby[\d.]*|node(js)?|deno|bun|tsx|ts-node|php[\d.]*"
    r"|lua(jit)?[\d.]*|julia|Rscript|tclsh[\d.]*|[gmn]?awk|guile|racket|elixir|groovy|java|uv|uvx"
)
_SCRIPT_SUFFIXES = (".py", ".sh", ".bash", ".pl", ".rb", ".js", ".mjs", ".ts", ".php", ".lua", ".awk", ".R")
_SHELL_CODE = re.compile(r"-\w*c")
_OTHER_CODE = re.compile(r"-\w*[cem]|--eval|--print|-r")


def file_argument(argv: Sequence[str], is_file: Callable[[str], bool]) -> int | None:
    """Find the index of the argument that stands for a file, None if none does.

    It is the program, if `is_file` knows it, else the first argument after an interpreter that `is_file`
    knows. Code given as text (`-c`, `-e`, `-m`) ends the search. `is_file` gets `plain_relative` paths.
    """
    return next((index for index in script_places(argv) if _is_known(argv[index], is_file)), None)


def script_places(argv: Sequence[str]) -> list[int]:
    """List the indices at which a program or a script may be named, in order."""
    if not argv:
        return []
    first = next((index for index, word in enumerate(argv) if _INTERPRETER.fullmatch(_base(word))), None)
    if first is None:
        return [0]
    code = _SHELL_CODE if _SHELL.fullmatch(_base(argv[first])) else _OTHER_CODE
    places = [0]
    for index in range(first + 1, len(argv)):
        if code.fullmatch(argv[index]):
            break
        if not argv[index].startswith("-"):
            places.append(index)
    return places


def missing_script(argv: Sequence[str], is_there: Callable[[str], bool]) -> int | None:
    """Find the index of a word that looks like a script and `is_there` does not know; None if there is none.

    The first word that looks so decides: later ones are its arguments. `is_there` gets words as they stand.
    """
    for index in script_places(argv):
        word = argv[index]
        looks_so = "/" in word if index == 0 else _base(word).endswith(_SCRIPT_SUFFIXES)
        if looks_so and plain_relative(word) is not None:
            return None if is_there(word) else index
    return None


def plain_relative(word: str) -> str | None:
    """Make `word` a relative path without `.` and `..`; None if it cannot be one."""
    if not word or word.startswith(("/", "-", "~")) or word.endswith("/") or "\0" in word:
        return None
    parts = [part for part in word.split("/") if part not in ("", ".")]
    return "/".join(parts) if parts and ".." not in parts else None


def _is_known(word: str, is_file: Callable[[str], bool]) -> bool:
    path = plain_relative(word)
    return path is not None and is_file(path)


def _base(word: str) -> str:
    return word.rpartition("/")[2]
