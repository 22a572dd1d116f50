"""`roles`: the templates that planned agents begin with, and where to put one's own."""

from __future__ import annotations

from pathlib import Path

import click

from maos_sup.cli import options
from maos_sup.cli.places import user_roles
from maos_sup.cli.says import say, say_json
from maos_sup.planner.roles import IN_PROJECT, OURS, Role, read_roles, role_folders
from maos_sup.views.render import one_line, table
from state_layout.errors import BadInput
from state_layout.shapes.wording import closest, listed


@click.command("roles")
@click.argument("name", metavar="[ROLE]", required=False)
@click.option(
    "--project", metavar="P", type=click.Path(path_type=Path), help="Whose roles; the current folder's."
)
@options.as_json
def command(name: str | None, *, project: Path | None, as_json: bool) -> None:
    """List the roles, or print the text of ROLE.

    A file .maos-sup/roles/NAME.md in the project, or maos-sup/roles/NAME.md in your configuration folder,
    replaces the role NAME or adds it.
    """
    roles = read_roles(role_folders(project=project or Path.cwd(), user=user_roles()))
    if name is not None:
        role = _known(name, roles)
        if as_json:
            say_json(_told(role))
        else:
            say(role.text)
        return
    if as_json:
        say_json({"roles": [_told(role) for role in roles.values()]})
        return
    rows = [(role.name, _whose(role), one_line(role.first_line)) for role in roles.values()]
    say("\n".join(table(("ROLE", "FROM", "WHAT IT IS TOLD"), rows, width=200)))


def _known(name: str, roles: dict[str, Role]) -> Role:
    if name not in roles:
        raise BadInput(f"no role {name!r}; {closest(name, roles) or 'use ' + listed(roles, last='or')}")
    return roles[name]


def _whose(role: Role) -> str:
    if role.path.parent == OURS:
        return "maos-sup"
    return str(IN_PROJECT) if role.path.parent.parts[-2:] == IN_PROJECT.parts else str(role.path.parent)


def _told(role: Role) -> dict[str, str]:
    return {"name": role.name, "path": str(role.path), "text": role.text}
