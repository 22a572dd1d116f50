"""Which files beside a plan go into its tree."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from maos_sup.planner import collect
from maos_sup.planner.plan import Plan, build_tree
from state_layout.errors import BadInput

Load = Callable[..., Plan]


def agent(settings: str, more: str = "") -> str:
    return f'request = "r"\n{more}\n[agents.a]\ntask = "t"\n{settings}\n'


def command(*argv: str) -> str:
    return f'kind = "command"\ncommand = {[*argv]}'


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder with programs of several sorts."""
    for name, text in {
        "count.py": "import os, tools\nfrom lib.deep import x\nimport nowhere",
        "tools.py": "import more_tools as m",
        "more_tools.py": "import tools  # a circle\ndef main(): ...",
        "lib/__init__.py": "",
        "lib/deep/x.py": "def main(): ...",
        "lib/data.txt": "d",
        "lib/__pycache__/x.pyc": "",
        "scan.sh": "echo",
        "go": "#!/bin/sh",
        "notes.txt": "",
        "sub/run.py": "import near",
        "sub/near.py": "",
        "bad.py": "def (",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "go").chmod(0o755)
    return tmp_path


LIB = ["lib/__init__.py", "lib/data.txt", "lib/deep/x.py"]


@pytest.mark.parametrize(
    ("settings", "files"),
    [
        (command("true"), []),
        (command("sh", "scan.sh", "notes.txt"), ["scan.sh"]),
        (command("sh", "./scan.sh"), ["scan.sh"]),
        (command("bash", "-ex", "scan.sh"), ["scan.sh"]),
        (command("sh", "-c", "scan.sh"), []),
        (command("python3", "-m", "tools"), []),
        (command("python3", "-u", "count.py"), ["count.py", *LIB, "more_tools.py", "tools.py"]),
        (command("/usr/bin/env", "python3", "tools.py"), ["more_tools.py", "tools.py"]),
        (command("timeout", "60", "sh", "scan.sh"), ["scan.sh"]),
        (command("python3", "sub/run.py"), ["sub/near.py", "sub/run.py"]),
        (command("python3", "bad.py"), ["bad.py"]),
        (command("cat", "notes.txt"), []),
        (command("go", "notes.txt"), ["go"]),
        (command("./go"), ["go"]),
        (command("awk", "-f", "scan.sh"), ["scan.sh"]),
        (command("perl", "-e", "scan.sh"), []),
        ('kind = "command"\nshell = "sh scan.sh"', []),
        ('kind = "python"\ncallable = "more_tools:main"', ["more_tools.py", "tools.py"]),
        ('kind = "python"\ncallable = "lib.deep.x:main"', LIB),
        ('kind = "python"\ncallable = "json:dumps"', []),
    ],
)
def test_named_files_come_along(load: Load, beside: Path, settings: str, files: list[str]) -> None:
    assert sorted(load(agent(settings)).files) == files


@pytest.mark.parametrize(
    ("patterns", "files"),
    [
        ("['*.sh']", ["scan.sh"]),
        ("['notes.txt', './scan.sh']", ["notes.txt", "scan.sh"]),
        ("['lib']", LIB),
        ("['lib/']", LIB),
        ("['sub/**/*.py']", ["sub/near.py", "sub/run.py"]),
    ],
)
def test_patterns_bring_files_along(load: Load, beside: Path, patterns: str, files: list[str]) -> None:
    assert sorted(load(agent(command("true"), f"files = {patterns}")).files) == files


def test_bytes_and_the_right_to_execute_are_kept(load: Load, beside: Path) -> None:
    (beside / "go").write_bytes(b"#!/bin/sh\n\xff\0")
    tree = build_tree(load(agent(command("./go"), "files = ['lib']")), beside / "tree")
    assert (tree.files / "go").read_bytes() == b"#!/bin/sh\n\xff\0"
    assert (tree.files / "go").stat().st_mode & 0o777 == 0o700
    assert (tree.files / "lib/data.txt").stat().st_mode & 0o777 == 0o600


def test_link_to_a_file_becomes_the_file(load: Load, beside: Path) -> None:
    (beside / "here.sh").symlink_to("scan.sh")
    tree = build_tree(load(agent(command("sh", "here.sh"))), beside / "tree")
    assert (tree.files / "here.sh").read_text() == "echo"
    assert not (tree.files / "here.sh").is_symlink()


def test_script_in_the_project_is_left_there(load: Load, beside: Path) -> None:
    (beside / "repo").mkdir()
    (beside / "repo" / "check.py").write_text("")
    plan = load(agent(command("python3", "check.py"), "project = 'repo'"))
    assert plan.files == {}


def test_missing_script_is_no_mistake_where_the_workspace_may_get_it(load: Load, beside: Path) -> None:
    assert load(agent(command("python3", "made_later.py") + '\ncwd = "workspace"')).files == {}


def test_too_many_files_are_refused(load: Load, beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "MOST_FILES", 3)
    with pytest.raises(BadInput) as raised:
        load(agent(command("true"), "files = ['**/*']"))
    assert "plan.toml:2: 4 files of 0 MiB would be copied, the most is 3 of 64 MiB" in str(raised.value)


def test_too_large_files_are_refused(load: Load, beside: Path) -> None:
    with (beside / "big.bin").open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(BadInput) as raised:
        load(agent(command("true"), "files = ['big.bin']"))
    assert "1 files of 65 MiB would be copied" in str(raised.value)


def test_pipe_among_the_files_is_not_opened(load: Load, beside: Path) -> None:
    os.mkfifo(beside / "lib" / "pipe")
    assert sorted(load(agent(command("true"), "files = ['lib']")).files) == LIB
