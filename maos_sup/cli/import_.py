"""`import`: an orchestration out of an archive, or made of what another program left; checked first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maos_sup.cli import options
from maos_sup.cli.passphrases import asked_for, in_file, passphrase_file_option
from maos_sup.cli.places import home, word_of
from maos_sup.cli.says import say, say_aside, say_json
from state_layout.errors import BadInput
from state_layout.files.looking import is_dir
from state_layout.paths import Tree, checked_name
from state_layout.specs import edit_spec
from state_layout.tree import relative_project
from state_layout.tree.names import new_id

if TYPE_CHECKING:
    from maos_sup.moving.archive import ArchiveManifest
    from maos_sup.moving.importing import Imported

_MOST_NOTES = 5


class _OrArchive(click.Group):
    """A group in which words that name no command are those of `archive`: `import FILE` as ever."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `archive` before such words."""
        own = {*self.commands, *ctx.help_option_names}
        if args and args[0] not in own and args != ["--json"]:
            args = ["archive", *args]
        return super().parse_args(ctx, args)


@click.group("import", cls=_OrArchive, invoke_without_command=True, subcommand_metavar="[FILE|COMMAND ...]")
@options.as_json
@click.pass_context
def commands(ctx: click.Context, *, as_json: bool) -> None:
    """Make an orchestration of an archive, FILE, or of what another program left on this machine.

    Without FILE and COMMAND: list what this machine has. That only reads.
    """
    if ctx.invoked_subcommand is None:
        from maos_sup.cli.importable import say_importable

        say_importable(as_json=as_json)


@commands.command("archive")
@click.argument("archive", metavar="FILE", type=click.Path(path_type=Path))
@click.option("-o", "--out", "out", metavar="DIR", type=click.Path(path_type=Path), help="Where to put it.")
@click.option(
    "--identity", metavar="FILE", type=click.Path(path_type=Path), help="Your age or ssh private key."
)
@passphrase_file_option
@click.option("--map-project", "mapped", metavar="OLD=NEW", help="The project called OLD lies at NEW here.")
@click.option("--damaged", is_flag=True, help="Even if check finds problems in it.")
@click.option("--dry-run", is_flag=True, help="Check all of it, place nothing.")
@options.as_json
def from_archive(
    archive: Path,
    *,
    out: Path | None,
    identity: Path | None,
    passphrase_file: Path | None,
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

    told = in_file(passphrase_file) if passphrase_file else None  # before a file of ours takes its descriptor

    def passphrase() -> str:
        return asked_for(str(archive)) if told is None else told

    made = _import(
        archive,
        place,
        finish,
        beside=out.absolute().parent if out is not None else home(),
        identity=identity,
        passphrase=passphrase,
        is_dry=dry_run,
        may_be_damaged=damaged,
    )
    manifest = made.manifest
    if as_json:
        facts = {
            "id": manifest.id,
            "directory": str(made.root),
            "dry_run": dry_run,
            "files": len(manifest.files),
        }
        say_json(
            {**facts, "bytes": manifest.size_bytes, "notes": [*made.notes], "left_out": [*manifest.left_out]}
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
    beside: Path,
    identity: Path | None,
    passphrase: Callable[[], str],
    is_dry: bool,
    may_be_damaged: bool,
) -> Imported:
    try:
        from maos_sup.moving.importing import import_archive

        return import_archive(
            archive,
            place,
            beside=beside,
            identity=identity,
            passphrase=passphrase,
            is_dry=is_dry,
            may_be_damaged=may_be_damaged,
            finish=finish,
        )
    except ImportError as cause:
        raise BadInput(f"{cause.name} is not installed; in a checkout: pip install '.[archive]'") from cause


@commands.command("maos")
@click.argument("database", metavar="FILE.db", type=click.Path(path_type=Path))
@click.option(
    "--orchestration", "wanted", metavar="ID", help="This one only: its id there, or how it begins."
)
@click.option("-o", "--out", "out", metavar="DIR", type=click.Path(path_type=Path), help="Where to put it.")
@click.option("--project", metavar="P", type=click.Path(path_type=Path), help="The folder that it works on.")
@click.option("--newer", is_flag=True, help="Take what is known of a database of a newer MAOS.")
@click.option("--dry-run", is_flag=True, help="Show what would come of it, place nothing.")
@options.as_json
def from_maos(
    database: Path,
    *,
    wanted: str | None,
    out: Path | None,
    project: Path | None,
    newer: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make orchestrations of a database of MAOS 0.8.8 to 0.9.4, which is only read.

    Each becomes one of its own, in the home. A table says what was taken, changed and left out, and why.
    """
    from maos_sup.cli.importable import claude_folder
    from maos_sup.cli.imported import say_maos, say_maos_json
    from maos_sup.incoming.maos.bringing import bring

    if out is not None and wanted is None:
        raise BadInput("-o is a place for one orchestration; say which with --orchestration ID")

    def place(id_: str) -> Path:
        return out.absolute() if out is not None else home() / id_

    made = bring(
        database.expanduser(),
        place,
        wanted=wanted,
        project=project,
        claude=claude_folder(),
        is_dry=dry_run,
        may_be_newer=newer,
    )
    (say_maos_json if as_json else say_maos)(made, is_dry=dry_run)


@commands.command("claude")
@click.argument("session", metavar="SESSION")
@click.option("-o", "--out", "out", metavar="DIR", type=click.Path(path_type=Path), help="Where to put it.")
@click.option("--task", metavar="TEXT", help="Its first task; later ones: maos-sup resume --task.")
@click.option("--agent", metavar="A", default="claude", show_default=True, help="What to call the agent.")
@click.option("--model", metavar="M", help="The model; else Claude Code's own default.")
@click.option(
    "--project",
    metavar="P",
    type=click.Path(path_type=Path),
    help="Its folder; that of the session otherwise.",
)
@click.option("--dry-run", is_flag=True, help="Show what would come of it, place nothing.")
@options.as_json
def from_claude(
    session: str,
    *,
    out: Path | None,
    task: str | None,
    agent: str,
    model: str | None,
    project: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make an agent that goes on from a fork of a session of Claude Code, which is only read.

    SESSION is its id, how that begins, or its file.
    """
    from maos_sup.cli.importable import claude_folder
    from maos_sup.cli.imported import say_session
    from maos_sup.incoming.claude import ClaudeWish, bring_session, seed_of
    from maos_sup.incoming.sessions import session_named

    found = session_named(claude_folder(), session)
    id_ = new_id(task or found.words or "session", *seed_of(found))
    where = Path(found.cwd) if project is None and found.cwd and _is_folder(found.cwd) else project
    wish = ClaudeWish(
        session=found, id=id_, agent=checked_name(agent, "agent"), task=task, project=where, model=model
    )
    root = out.absolute() if out is not None else home() / id_
    tally = bring_session(wish, root, is_dry=dry_run)
    say_session(wish, Tree(root), tally, is_dry=dry_run, as_json=as_json)


def _is_folder(path: str) -> bool:
    try:
        return is_dir(Path(path))
    except OSError:  # too long for a path
        return False


def _mapping(text: str | None) -> tuple[str | None, Path | None]:
    if text is None:
        return None, None
    old, _, new = text.partition("=")
    if not old or not new:
        raise BadInput(
            f"--map-project is {text!r}; use OLD=NEW: the name of the project, and where it lies here"
        )
    return old, Path(new)
