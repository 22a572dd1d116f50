"""Role templates: what a developer, a tester, a reviewer is told to be. Files, so that people change them.

`NAME.md` in the project's `.maos-sup/roles/` goes before the one in the user's folder, that before ours.
A new name is a new role. The first line is what others of the team, and the planner, read of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from state_layout.errors import BadInput
from state_layout.files.reading import Unreadable, read_regular
from state_layout.paths import is_name

OURS = Path(__file__).parent / "role_templates"
IN_PROJECT = Path(".maos-sup") / "roles"
LARGEST_ROLE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role is a template and the file that it is from."""

    name: str
    text: str
    path: Path

    @property
    def first_line(self) -> str:
        return self.text.partition("\n")[0].lstrip("# ").strip()


def role_folders(*, project: Path | None, user: Path | None) -> list[Path]:
    """List where templates are looked for, the ones that win last."""
    wanted = [OURS, user, None if project is None else project / IN_PROJECT]
    return [folder for folder in wanted if folder is not None]


def read_roles(folders: Iterable[Path]) -> dict[str, Role]:
    """Read the roles in `folders` by name; later folders win. Raises BadInput for a file that is none."""
    found = dict[str, Role]()
    for folder in folders:
        for path in sorted(folder.glob("*.md")):
            role = _role(path)
            found[role.name] = role
    return dict(sorted(found.items()))


def _role(path: Path) -> Role:
    if not is_name(path.stem):
        raise BadInput(f"{path}: {path.stem!r} is no name for a role; use a-z, 0-9, _ and -")
    try:
        data = read_regular(path, most_bytes=LARGEST_ROLE_BYTES, through_links=True)[0]
        text = data.decode().strip()
    except (FileNotFoundError, Unreadable) as cause:
        raise BadInput(f"{path}: {cause}; mend or remove it") from cause
    except UnicodeDecodeError as cause:
        raise BadInput(f"{path}: is not UTF-8; save it as UTF-8") from cause
    if not text:
        raise BadInput(f"{path}: is empty; write what the role is, or remove it")
    return Role(name=path.stem, text=text, path=path)
