"""`export`: one orchestration as one file, to be imported elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maos_sup.agents.secrets.secret_search import find_secrets
from maos_sup.cli import edge, options
from maos_sup.cli.passphrases import asked_for, in_file, passphrase_file_option
from maos_sup.cli.places import tree_or_default
from maos_sup.cli.says import say, say_aside, say_json
from maos_sup.cuts import store
from state_layout.errors import BadInput, LayoutError
from state_layout.files.looking import is_dir
from state_layout.files.reading import is_there
from state_layout.paths import Tree
from state_layout.witness import id_of

if TYPE_CHECKING:
    from maos_sup.moving.archive import ArchiveManifest

_TOPS = ("agents", "mail", "budget", "state", "supervisor", "checkpoints", "workspaces.git")
_MOST_SAID = 5


class HasSecrets(LayoutError):
    """There are secrets in what would be exported."""

    exit_code = edge.SECRETS


@click.command("export")
@options.directory_or_default
@click.option("--at", "at", metavar="CUT", help="As it was at this checkpoint.")
@click.option("--only", metavar="NAMES", help=f"Only these folders, by commas: {', '.join(_TOPS)}.")
@click.option(
    "-o",
    "--out",
    "out",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write it; ID.maos.tar.zst in this folder otherwise.",
)
@click.option(
    "--to",
    "recipients",
    metavar="KEY",
    multiple=True,
    help="Only for this age or ssh public key (may be repeated).",
)
@click.option("--passphrase", "is_asked", is_flag=True, help="Only for who knows a passphrase; asks for it.")
@passphrase_file_option
@click.option("--with-secrets", is_flag=True, help="Even if there are secrets in files.")
@options.as_json
def command(
    directory: str | None,
    *,
    at: str | None,
    only: str | None,
    out: Path | None,
    recipients: tuple[str, ...],
    is_asked: bool,
    passphrase_file: Path | None,
    with_secrets: bool,
    as_json: bool,
) -> None:
    """Write an orchestration into a file, ID.maos.tar.zst (.age if it is encrypted), living or not.

    Refused where files hold secrets (exit code 13), unless told otherwise.
    """
    tree = tree_or_default(directory)
    names = _names(only)
    cut = store.find(tree, at) if at else None
    is_sealed = bool(recipients) or is_asked or passphrase_file is not None
    target = out or Path(f"{id_of(tree)}.maos.tar.zst{'.age' if is_sealed else ''}")
    if recipients and (is_asked or passphrase_file):
        raise BadInput("a file of age is for keys or for a passphrase: use --to or --passphrase, not both")
    _refuse_place(target)
    passphrase = in_file(passphrase_file) if passphrase_file else None
    if is_asked and passphrase is None:
        passphrase = asked_for(str(target), twice=True)

    def look(copy: Tree) -> None:
        if not with_secrets:
            _refuse_secrets(copy)

    manifest = _export(
        tree,
        target.absolute(),
        cut=cut,
        only=names,
        recipients=recipients,
        passphrase=passphrase,
        look=look,
    )
    for line in manifest.left_out[:_MOST_SAID]:
        say_aside(f"note: left out: {line}")
    if len(manifest.left_out) > _MOST_SAID:
        say_aside(f"note: and {len(manifest.left_out) - _MOST_SAID} more links left out")
    size = target.stat().st_size
    if as_json:
        told = {"id": manifest.id, "file": str(target), "files": len(manifest.files)}
        say_json(
            {**told, "bytes": manifest.size_bytes, "archive_bytes": size, "left_out": [*manifest.left_out]}
        )
        return
    say(f"{target}: {len(manifest.files):,} files, {manifest.size_bytes:,} bytes in {size:,}")


def _export(tree: Tree, target: Path, **more: object) -> ArchiveManifest:
    try:
        from maos_sup.moving.exporting import export

        return export(tree, target, **more)  # type: ignore[arg-type]
    except ImportError as cause:
        raise BadInput(f"{cause.name} is not installed; in a checkout: pip install '.[archive]'") from cause


def _names(only: str | None) -> tuple[str, ...]:
    names = tuple(name for name in (only or "").split(",") if name)
    for name in names:
        if name not in _TOPS:
            raise BadInput(f"--only names {name!r}; use {', '.join(_TOPS)}")
    return names


def _refuse_secrets(copy: Tree) -> None:
    found = find_secrets(copy, os.environ)
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise HasSecrets(
            f"{found[0]}{more}; nothing was exported: see check --secrets, or say --with-secrets"
        )


def _refuse_place(target: Path) -> None:
    """Raise BadInput where no archive can be made."""
    if str(target) == "-":
        raise BadInput("-o -: an archive is a file, there whole or not at all; name one, then pass it on")
    if is_there(target):
        raise BadInput(f"{target}: is there already; name another file with -o")
    if not is_dir(target.parent):
        raise BadInput(f"{target}: there is no folder {target.parent}; make it, or name another file with -o")
