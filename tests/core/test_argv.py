"""Which argument of a command stands for a file that came with the plan."""

from __future__ import annotations

import pytest

from maos_sup.core.argv import file_argument, plain_relative, script_places

FILES = {"count.py", "scan.sh", "lib/x.py", "notes.txt", "python3", "go"}


@pytest.mark.parametrize(
    ("argv", "index"),
    [
        ([], None),
        (["true"], None),
        (["go"], 0),
        (["./go", "count.py"], 0),
        (["./lib//x.py"], 0),
        (["/abs/go"], None),
        (["../go"], None),
        (["cat", "notes.txt"], None),
        (["sh", "scan.sh"], 1),
        (["/bin/bash", "-ex", "scan.sh", "count.py"], 2),
        (["sh", "-c", "scan.sh"], None),
        (["bash", "-lc", "scan.sh"], None),
        (["sh", "-e", "scan.sh"], 2),
        (["python3.12", "-u", "-X", "dev", "count.py"], 4),
        (["python", "-m", "count.py"], None),
        (["python", "-Im", "count.py"], None),
        (["perl", "-ne", "scan.sh"], None),
        (["node", "--eval", "scan.sh"], None),
        (["php", "-r", "scan.sh"], None),
        (["awk", "-f", "scan.sh", "notes.txt"], 2),
        (["env", "A=1", "sh", "scan.sh"], 3),
        (["timeout", "9", "sh", "./scan.sh"], 3),
        (["uv", "run", "count.py"], 2),
        (["sh", "none.sh", "notes.txt"], 2),
        (["pythonista", "count.py"], None),
        (["sh", ""], None),
    ],
)
def test_program_or_first_file_of_an_interpreter(argv: list[str], index: int | None) -> None:
    assert file_argument(argv, FILES.__contains__) == index


def test_program_that_came_along_is_it_even_if_named_like_an_interpreter() -> None:
    assert file_argument(["python3", "count.py"], FILES.__contains__) == 0


@pytest.mark.parametrize(
    ("word", "path"),
    [
        ("a/b", "a/b"),
        ("./a//b/./c", "a/b/c"),
        ("..", None),
        ("a/../b", None),
        ("/a", None),
        ("a/", None),
        (".", None),
        ("./", None),
        ("-a", None),
        ("~/a", None),
        ("", None),
        ("a\0", None),
    ],
)
def test_only_paths_that_stay_inside_are_plain(word: str, path: str | None) -> None:
    assert plain_relative(word) == path


def test_script_places_are_where_a_script_could_be_named() -> None:
    assert script_places(["timeout", "9", "sh", "-x", "a", "b"]) == [0, 4, 5]
    assert script_places(["sh", "-c", "a"]) == [0]
    assert script_places(["cat", "a"]) == [0]
