"""`roles`: ours, the user's, the project's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]


def test_roles_are_listed_with_where_they_are_from(call: Call, project: Path, tmp_path: Path) -> None:
    for folder in (project / ".maos-sup" / "roles", tmp_path / "config" / "maos-sup" / "roles"):
        folder.mkdir(parents=True)
    (project / ".maos-sup" / "roles" / "tester.md").write_text("You test shops.\nWell.\n")
    (tmp_path / "config" / "maos-sup" / "roles" / "poet.md").write_text("You write verse.\n")
    answer = call("roles")
    assert answer.code == 0
    rows = {line.split()[0]: line.split() for line in answer.out.splitlines()}
    assert rows["tester"][1:] == [".maos-sup/roles", "You", "test", "shops."]
    assert rows["writer"][1] == "maos-sup"
    assert rows["poet"][1] == str(tmp_path / "config" / "maos-sup" / "roles")
    assert call("roles", "tester").out == "You test shops.\nWell.\n"
    assert json.loads(call("roles", "poet", "--json").out)["text"] == "You write verse."
    assert len(json.loads(call("roles", "--json").out)["roles"]) == 9


def test_role_that_is_not_there_is_one_error(call: Call, project: Path) -> None:
    answer = call("roles", "testr")
    assert (answer.code, answer.out) == (2, "")
    assert "no role 'testr'; did you mean 'tester'?" in answer.err


def test_request_about_the_home_folder_is_refused(
    call: Call, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(project))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-" + "x" * 20)
    answer = call("run", "Tidy up everything")
    assert (answer.code, answer.out) == (2, "")
    assert "is no project; change to the folder of one, or name it with --project" in answer.err
