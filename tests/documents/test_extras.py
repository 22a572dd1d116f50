"""Extras as documents and errors name them: to be had from a checkout, for no index has maos-sup."""

from __future__ import annotations

import re
import tomllib

from printed import REPOSITORY

EXTRA = re.compile(r"pip install\s+'\.\[([^\]']+)\]'")


def texts() -> list[str]:
    paths = [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]
    paths += (REPOSITORY / "maos_sup").rglob("*.py")
    return [path.read_text(encoding="utf-8") for path in paths]


def test_nothing_says_to_install_a_name_that_is_on_no_index() -> None:
    assert [text for text in texts() if re.search(r"pip install\s+'?maos-sup", text)] == []


def test_extras_that_are_named_are_there() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    named = {name for text in texts() for found in EXTRA.findall(text) for name in found.split(",")}
    assert {"archive", "sql", "s3", "sftp"} <= named
    assert named - {"{extra}"} <= set(project["project"]["optional-dependencies"])
