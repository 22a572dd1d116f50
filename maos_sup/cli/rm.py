"""`rm DIR...`: delete orchestrations that nobody works on and nobody may still want."""

from __future__ import annotations

import click

from maos_sup.cli import edge, options
from maos_sup.cli.cleanup import reason_to_keep, remove_with_worktrees
from maos_sup.cli.places import name_of, tree_at
from maos_sup.cli.says import say, say_aside, say_json


@click.command("rm")
@click.argument("directories", metavar="DIR|ID...", nargs=-1, required=True)
@click.option(
    "--force", is_flag=True, help="Also unfinished ones, artifacts, uncommitted work in workspaces."
)
@options.as_json
def command(directories: tuple[str, ...], *, force: bool, as_json: bool) -> int:
    """Delete orchestrations, never one with a living process.

    Kept, unless you say --force: unfinished work, artifacts, uncommitted work. Exit code 11 if one was kept.
    """
    rows = []
    for tree in [tree_at(text) for text in directories]:
        name = name_of(tree)
        kept = reason_to_keep(tree, with_artifacts=False, force=force, option="--force")
        if kept is None:
            remove_with_worktrees(tree)
        rows.append({"id": name, "kept": kept})
    if as_json:
        say_json({"orchestrations": rows})
    for row in rows if not as_json else ():
        (say_aside if row["kept"] else say)(
            f"{row['id']}: {'kept: ' + row['kept'] if row['kept'] else 'deleted'}"
        )
    return edge.LOCKED if any(row["kept"] for row in rows) else edge.OK
