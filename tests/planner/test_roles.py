"""Role templates: ours, the user's, the project's; the nearest wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from maos_sup.planner.roles import OURS, read_roles, role_folders
from state_layout.errors import BadInput

NAMES = ["analyst", "architect", "developer", "researcher", "reviewer", "security", "tester", "writer"]


def test_roles_of_ours_begin_with_what_they_are() -> None:
    roles = read_roles([OURS])
    assert [*roles] == NAMES
    for role in roles.values():
        assert role.first_line.startswith("You are a")
        assert len(role.first_line) < 110


def test_project_goes_before_user_before_ours(tmp_path: Path) -> None:
    user, project = tmp_path / "user", tmp_path / "shop"
    for folder in (user, project / ".maos-sup" / "roles"):
        folder.mkdir(parents=True)
        (folder / "tester.md").write_text(f"# You test for {folder.parent.name}.\nWell.\n")
    (user / "poet.md").write_text("You write verse.\n")
    roles = read_roles(role_folders(project=project, user=user))
    assert [*roles] == sorted([*NAMES, "poet"])
    assert roles["tester"].first_line == "You test for .maos-sup."
    assert read_roles(role_folders(project=None, user=user))["tester"].path == user / "tester.md"


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("Big Role.md", b"You are", "is no name for a role"),
        ("empty.md", b" \n", "is empty"),
        ("latin.md", b"\xe4", "is not UTF-8"),
        ("huge.md", b"x" * 100_000, "huge.md"),
    ],
)
def test_file_that_is_no_role_is_one_error(tmp_path: Path, name: str, data: bytes, error: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadInput, match=error) as refused:
        read_roles([tmp_path])
    assert len(refused.value.problems) == 1
