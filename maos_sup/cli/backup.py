"""`backup`: keep what orchestrations hold in another place; only what is not there yet is brought."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maos_sup.cli import edge, options
from maos_sup.cli.moving import moving
from maos_sup.cli.places import name_of, tree_at, tree_or_default
from maos_sup.cli.repositories import begun, identity_option, repository_option
from maos_sup.cli.says import say, say_aside, say_json
from state_layout.errors import LayoutError
from state_layout.paths import Tree

if TYPE_CHECKING:
    from maos_sup.agents.secrets.secret_search import SecretSearch
    from maos_sup.backups.saving import Backup, Look

_MOST_SAID = 5


class SecretInBackup(LayoutError):
    """There is a secret in what would be backed up."""

    exit_code = edge.SECRETS


@click.command("backup")
@click.argument("directories", metavar="[DIR|ID]...", nargs=-1)
@repository_option
@click.option(
    "--recipient",
    "recipients",
    metavar="KEY",
    multiple=True,
    help="When the repository is made: encrypt for this age or ssh public key (may be repeated).",
)
@identity_option
@click.option("--with-secrets", is_flag=True, help="Even if there are secrets in files.")
@options.as_json
def command(
    directories: tuple[str, ...],
    *,
    repo: str | None,
    recipients: tuple[str, ...],
    identity: Path | None,
    with_secrets: bool,
    as_json: bool,
) -> int:
    """Back orchestrations up, living or not, to REPO, which is made if it is not there.

    Refused where new bytes hold secrets (exit code 13), unless told otherwise.
    """
    trees = [tree_at(text) for text in directories] or [tree_or_default(None)]
    repository = begun(repo, identity, recipients, trees)
    from maos_sup.backups.saving import back_up

    done: list[Backup] = []
    code = edge.OK
    for tree in trees:
        try:
            with moving(f"backing up {name_of(tree)}") as moved:
                made = back_up(tree, repository, look=look_at(tree, with_secrets=with_secrets), moved=moved)
        except LayoutError as error:
            if len(trees) == 1:
                raise
            say_aside(f"maos-sup: {error}")
            code = code or error.exit_code
            continue
        done.append(made)
        if not as_json:
            _say(tree, made)
        if made.is_unread:
            say_aside("note: all of it was brought: what is there needs a key: --identity FILE")
    if as_json:
        say_json({"repository": repository.store.place, "backups": [told(each) for each in done]})
    return code


def told(made: Backup) -> dict[str, object]:
    """A backup as JSON has it."""
    head = made.manifest.head
    return {
        "backup": head.id,
        "id": head.tree,
        "at": head.at,
        "files": head.files,
        "read_files": made.read_files,
        "bytes": head.size_bytes,
        "added_bytes": head.added_bytes,
        "stored_bytes": head.stored_bytes,
        "left_out": list(made.manifest.left_out),
    }


def look_at(tree: Tree, *, with_secrets: bool) -> Look:
    """Make the look that refuses bytes with a secret in them."""
    if with_secrets:
        return lambda path, data: None

    @cache
    def search() -> SecretSearch:  # when there is something new
        from maos_sup.agents.secrets.secret_search import SecretSearch

        return SecretSearch(tree, os.environ)

    def look(path: str, data: bytes) -> None:
        what = search().in_bytes(data)
        if what is not None:
            raise SecretInBackup(
                f"{tree.root / path}: holds {what}; nothing was backed up: see check --secrets, or say "
                "--with-secrets"
            )

    return look


def _say(tree: Tree, made: Backup) -> None:
    head, left_out = made.manifest.head, made.manifest.left_out
    for line in left_out[:_MOST_SAID]:
        say_aside(f"note: left out: {line}")
    if len(left_out) > _MOST_SAID:
        say_aside(f"note: and {len(left_out) - _MOST_SAID} more left out; backups show {head.id}")
    new = f"{head.added_bytes:,} new in {head.stored_bytes:,}" if head.added_bytes else "nothing new"
    say(f"{name_of(tree)}: backup {head.id}; {head.files:,} files, {head.size_bytes:,} bytes, {new}")
