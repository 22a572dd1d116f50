"""The manual page is made of the commands, up to date, and comes with the wheel."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from maos_sup.cli.entries import ENTRIES
from maos_sup.cli.manual import man_page

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "maos-sup.1"


def test_the_page_is_up_to_date() -> None:
    made = man_page((ROOT / "docs" / "commands.md").read_text(encoding="utf-8"))
    assert PAGE.read_text(encoding="utf-8") == made, "run: make man"


def test_the_page_names_each_command_and_each_exit_code() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    commands = {line.replace("\\-", "-").split()[1] for line in lines if line.startswith("maos\\-sup ")}
    assert commands - {"\\-"} >= {*ENTRIES}
    assert all(f".B {code}" in lines for code in (0, 1, 2, 3, 10, 11, 12, 13, 14, 130, 141))


def test_no_text_is_an_order() -> None:
    known = (".TH ", ".SH ", ".SS", ".TP", ".PP", ".B ", ".I ")
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        assert line
        assert not line.startswith("'")
        assert not line.startswith(".") or line.startswith(known), line


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff here")
def test_groff_finds_nothing_to_complain_about() -> None:
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", "-z", str(PAGE)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""


def test_the_wheel_takes_it_along() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert build["wheel"]["shared-data"] == {"docs/maos-sup.1": "share/man/man1/maos-sup.1"}
