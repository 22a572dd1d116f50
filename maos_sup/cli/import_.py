"""`import`: an orchestration out of a file, checked before anything is placed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maos_sup.cli import options
from maos_sup.cli.places import home, word_of
from maos_sup.cli.says import say, say_aside, say_json
from state_layout.errors import BadInput
from state_layout.paths import Tree
from state_layout.specs import edit_spec
from state_layout.tree import relative_project

if TYPE_CHECKING:
    from maos_sup.moving.archive import ArchiveManifest
    from maos_sup.moving.importing import Imported

_MOST_NOTES = 5


@click.command("import")
@click.argument("archive", metavar="FILE", type=click.Path(path_type=Path))
@click.option("-o", "--out", "out", metavar="DIR", type=click.Path(path_type=Path), help="Where to put it.")
@click.option(
    "--identity", metavar="FILE", type=click.Path(path_type=Path), help="Your age or ssh private key."
)
@click.option("--map-project", "mapped", metavar="OLD=NEW", help="The project called OLD lies at NEW here.")
@click.option("--damaged", is_flag=True, help="Even if check finds problems in it.")
@click.option("--dry-run", is_flag=True, help="Check all of it, place nothing.")
@options.as_json
def command(
    archive: Path,
    *,
    out: Path | None,
    identity: Path | None,
    mapped: str | None,
    damaged: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make the orchestration that FILE holds, in the home or at DIR. All is checked before any is placed."""
    old, new = _mapping(mapped)

    def place(manifest: ArchiveManifest) -> Path:
        if old is not None and manifest.project_name != old:
            raise BadInput(f"--map-project: the project is called {manifest.project_name}, not {old}")
        return out.absolute() if out is not None else home() / manifest.id

    def finish(tree: Tree) -> None:
        if new is not None:
            final = out.absolute() if out is not None else home() / "x"
            project = relative_project(final, new)
            edit_spec(tree, tree.orchestration_spec, lambda spec: {**spec, **project})

    made = _import(archive, place, finish, identity=identity, is_dry=dry_run, may_be_damaged=damaged)
    manifest = made.manifest
    if as_json:
        told = {
            "id": manifest.id,
            "directory": str(made.root),
            "dry_run": dry_run,
            "files": len(manifest.files),
        }
        say_json(
            {**told, "bytes": manifest.size_bytes, "notes": [*made.notes], "left_out": [*manifest.left_out]}
        )
        return
    for note in made.notes[:_MOST_NOTES]:
        say_aside(f"note: {note}")
    what = f"{len(manifest.files):,} files, {manifest.size_bytes:,} bytes"
    if dry_run:
        say(f"{archive}: whole; {what} would be placed at {made.root}")
    else:
        say(f"{made.root}: {what}; go on with: maos-sup resume {word_of(Tree(made.root))}")


def _import(
    archive: Path,
    place: Callable[[ArchiveManifest], Path],
    finish: Callable[[Tree], None],
    *,
    identity: Path | None,
    is_dry: bool,
    may_be_damaged: bool,
) -> Imported:
    try:
        from maos_sup.moving.importing import import_archive
    except ImportError as cause:
        raise BadInput(f"{cause.name} is not installed; pip install 'maos-sup[archive]'") from cause
    return import_archive(
        archive, place, identity=identity, is_dry=is_dry, may_be_damaged=may_be_damaged, finish=finish
    )


def _mapping(text: str | None) -> tuple[str | None, Path | None]:
    if text is None:
        return None, None
    old, _, new = text.partition("=")
    if not old or not new:
        raise BadInput(
            f"--map-project is {text!r}; use OLD=NEW: the name of the project, and where it lies here"
        )
    return old, Path(new)
