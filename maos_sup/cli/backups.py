"""`backups ...`: what `backup` kept: look, examine, bring back, let go."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maos_sup.cli import edge, options
from maos_sup.cli.moving import moving
from maos_sup.cli.places import home, word_of
from maos_sup.cli.repositories import identity_option, opened, repository_option, sweep_of
from maos_sup.cli.says import say, say_aside, say_json
from maos_sup.views.tables import table
from state_layout.errors import BadInput, NotATree
from state_layout.files.reading import is_there
from state_layout.paths import Tree
from state_layout.specs import read_specs

if TYPE_CHECKING:
    from maos_sup.backups.manifest import BackupHead
    from maos_sup.backups.repository import BackupRepository
    from maos_sup.backups.restoring import RestoredTree

_MOST_SHOWN = 20
_MOST_NOTES = 5
_WIDTH = 100
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.group("backups", no_args_is_help=True)
def commands() -> None:
    """Look at what `backup` kept, examine, bring back, let go. BACKUP: a part of its name, an id, latest."""


@commands.command("list")
@click.argument("id_", metavar="[ID]", required=False)
@repository_option
@identity_option
@options.as_json
def list_(id_: str | None, *, repo: str | None, identity: Path | None, as_json: bool) -> int:
    """List backups, the oldest first; of one orchestration with ID, or a part of it."""
    heads, troubles = _heads(opened(repo, identity))
    heads = [head for head in heads if id_ is None or id_ in head.tree]
    if as_json:
        say_json({"backups": [_told(head) for head in heads], "troubles": troubles})
    else:
        rows = [
            (head.id, head.tree, head.at, f"{head.files:,}", f"{head.size_bytes:,}", f"{head.added_bytes:,}")
            for head in heads
        ]
        names = ("BACKUP", "ORCHESTRATION", "AT", "FILES", "BYTES", "NEW")
        say("\n".join(table(names, rows, width=_WIDTH + 40)) if rows else "no backups; maos-sup backup")
        for trouble in troubles:
            say_aside(f"maos-sup: {trouble}")
    return edge.DAMAGED if troubles else edge.OK


@commands.command("show")
@click.argument("word", metavar="BACKUP")
@repository_option
@identity_option
@options.as_json
def show(word: str, *, repo: str | None, identity: Path | None, as_json: bool) -> None:
    """Print what a backup holds."""
    from maos_sup.backups.reading import shown

    repository = opened(repo, identity)
    manifest = repository.manifest(repository.found(word))
    if as_json:
        files = [
            {"path": shown(each.path), "bytes": each.size, "pieces": len(each.pieces)}
            for each in manifest.files
        ]
        say_json(
            {
                **_told(manifest.head),
                "segments": len(manifest.segments),
                "left_out": list(manifest.left_out),
                "links": [list(map(shown, link)) for link in manifest.links],
                "paths": files,
            }
        )
        return
    head = manifest.head
    lines = [
        f"{head.id}: {head.tree}, {head.at}",
        f"{_counted(head.files, 'file')}, {head.size_bytes:,} bytes"
        f" in {_counted(len(manifest.segments), 'segment')}; "
        f"{head.added_bytes:,} bytes were new",
        *(f"left out: {shown(line)}" for line in manifest.left_out),
        *(f"{each.size:>12,}  {shown(each.path)}" for each in manifest.files),
        *(f"{'link':>12}  {shown(path)} -> {shown(target)}" for path, target in manifest.links),
    ]
    say("\n".join(lines))


@commands.command("verify")
@click.argument("words", metavar="[BACKUP]...", nargs=-1)
@click.option("--read", "is_read", is_flag=True, help="Read and hash every byte, too.")
@repository_option
@identity_option
@options.as_json
def verify(
    words: tuple[str, ...], *, is_read: bool, repo: str | None, identity: Path | None, as_json: bool
) -> int:
    """Examine all backups, or some: is everything there and in form? Exit code 12 if not."""
    repository = opened(repo, identity)
    from maos_sup.backups.verifying import verify_repository

    with moving(f"examining {repository.store.place}") as moved:
        names = [repository.found(word) for word in words]
        verdict = verify_repository(repository, names, is_read=is_read, moved=moved)
    if as_json:
        say_json(
            {
                "backups": verdict.backups,
                "segments": verdict.segments,
                "unused_segments": verdict.unused,
                "read_bytes": verdict.read_bytes,
                "problems": verdict.problems,
            }
        )
    else:
        head = f"{_counted(verdict.backups, 'backup')}, {_counted(verdict.segments, 'segment')}"
        read = f", {verdict.read_bytes:,} bytes read" if is_read else ""
        unused = f"; {verdict.unused:,} that nobody needs (backups prune)" if verdict.unused else ""
        word = "not whole" if verdict.problems else "whole"
        say(f"{repository.store.place}: {word}; {head}{read}{unused}")
        for problem in verdict.problems[:_MOST_SHOWN]:
            say(f"  {problem}")
        if len(verdict.problems) > _MOST_SHOWN:
            say(f"  and {len(verdict.problems) - _MOST_SHOWN} more")
    return edge.DAMAGED if verdict.problems else edge.OK


@commands.command("restore")
@click.argument("word", metavar="BACKUP")
@click.option("-o", "--out", "out", metavar="DIR", type=click.Path(path_type=Path), help="Where to put it.")
@click.option("--at", "at", metavar="CUT", help="As it was at this checkpoint.")
@click.option(
    "--include",
    "include",
    metavar="PATTERN",
    multiple=True,
    help="Only what is like this: agent:NAME, mail, 'agents/*/artifacts' (may be repeated).",
)
@click.option(
    "--damaged", is_flag=True, help="What can be read, even if some cannot or check finds problems."
)
@click.option(
    "--no-check", is_flag=True, help="Hold bytes against their hashes only; check can follow later."
)
@click.option("--dry-run", is_flag=True, help="Read and check all of it, place nothing.")
@repository_option
@identity_option
@options.as_json
def restore(word: str, **options: Any) -> None:
    """Bring a backup back, in the home or at DIR, where nothing may be. All is checked before.

    What check examines, line by line, is most of the time that it takes.
    """
    _restore(word, **options)


def _restore(
    word: str,
    *,
    out: Path | None,
    at: str | None,
    include: tuple[str, ...],
    damaged: bool,
    no_check: bool,
    dry_run: bool,
    repo: str | None,
    identity: Path | None,
    as_json: bool,
) -> None:
    if include and (at or out is None):
        raise BadInput("--include brings back some files: name a folder for them with -o, and no --at")
    repository = opened(repo, identity)
    from maos_sup.backups.restoring import restore_backup

    manifest = repository.manifest(repository.found(word))
    with moving(f"restoring {manifest.head.id}") as moved:
        made = restore_backup(
            repository,
            manifest,
            _place(manifest.head, out),
            include=include,
            at=at,
            is_dry=dry_run,
            may_be_damaged=damaged,
            is_checked=not no_check,
            moved=moved,
        )
    if as_json:
        say_json(_told_restored(manifest.head, made, is_dry=dry_run))
    else:
        _say_restored(manifest.head, made, is_dry=dry_run)


def _place(head: BackupHead, out: Path | None) -> Path:
    if out is not None:
        return out.absolute()
    name = re.sub(r"[^a-zA-Z0-9._-]", "-", head.tree).lstrip(".-") or "restored"
    return home() / name


def _told_restored(head: BackupHead, made: RestoredTree, *, is_dry: bool) -> dict[str, object]:
    return {
        "backup": head.id,
        "id": head.tree,
        "directory": str(made.root),
        "dry_run": is_dry,
        "files": made.files,
        "bytes": made.size_bytes,
        "lost": list(made.lost),
        "notes": list(made.notes),
    }


def _say_restored(head: BackupHead, made: RestoredTree, *, is_dry: bool) -> None:
    notes = [f"{path}: lost: it is damaged in the repository" for path in made.lost] + [*made.notes]
    for note in notes[:_MOST_NOTES]:
        say_aside(f"note: {note}")
    if len(notes) > _MOST_NOTES:
        say_aside(f"note: and {len(notes) - _MOST_NOTES} more")
    what = f"{_counted(made.files, 'file')}, {made.size_bytes:,} bytes"
    if is_dry:
        say(f"{head.id}: whole; {what} would be placed at {made.root}")
    elif made.is_part:
        say(f"{made.root}: {what} of {head.id}")
    else:
        say(f"{made.root}: {what} of {head.id}; {_next_step(made)}")


def _next_step(made: RestoredTree) -> str:
    """Say how to go on with it, or why nobody can: what makes it an orchestration may be lost."""
    tree = Tree(made.root)
    try:
        if not is_there(tree.format):
            raise NotATree("FORMAT is lost; bring back an older backup (see: maos-sup backups list)")
        if made.lost:
            read_specs(tree)
    except (NotATree, BadInput) as cause:
        return f"it cannot go on: {cause}"
    return f"go on with: maos-sup resume {word_of(tree)}"


@commands.command("forget")
@click.argument("words", metavar="[BACKUP]...", nargs=-1)
@click.option("--keep-last", type=options.count(0), default=0, metavar="N", help="The newest N stay.")
@click.option("--keep-hourly", type=options.count(0), default=0, metavar="N", help="The newest of N hours.")
@click.option("--keep-daily", type=options.count(0), default=0, metavar="N", help="The newest of N days.")
@click.option("--keep-weekly", type=options.count(0), default=0, metavar="N", help="The newest of N weeks.")
@click.option(
    "--keep-within",
    metavar="TIME",
    help="All that are at most TIME (90m, 12h, 7d, 4w) older than the newest.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go.")
@repository_option
@identity_option
@options.as_json
def forget_(words: tuple[str, ...], **options: Any) -> None:
    """Let go of backups: of those named, or by rules, for each orchestration. Space comes back with prune."""
    _forget(words, **options)


def _forget(
    words: tuple[str, ...],
    *,
    keep_last: int,
    keep_hourly: int,
    keep_daily: int,
    keep_weekly: int,
    keep_within: str | None,
    dry_run: bool,
    repo: str | None,
    identity: Path | None,
    as_json: bool,
) -> None:
    repository = opened(repo, identity)
    from maos_sup.backups.keeping import KeepRule, forget, forgettable

    rule = KeepRule(
        last=keep_last,
        hourly=keep_hourly,
        daily=keep_daily,
        weekly=keep_weekly,
        within=_time(keep_within) if keep_within is not None else None,
    )
    heads, troubles = list[Any](), list[str]()
    if words and rule.says_something:
        raise BadInput("name backups to let go of, or say by --keep-... what stays, not both")
    if words:
        names = [repository.found(word) for word in words]
    else:
        heads, troubles = _heads(repository)
        names = [head.name for head in forgettable(heads, rule)]
    if not dry_run:
        forget(repository, names)
    ids = [name.rpartition("/")[2] for name in names]
    if as_json:
        say_json({"dry_run": dry_run, "forgotten": ids, "kept": len(heads) - len(names) if heads else None})
        return
    for id_ in ids[:_MOST_SHOWN]:
        say(f"{id_}: {'would go' if dry_run else 'forgotten'}")
    kept = f"; {len(heads) - len(names):,} stay" if heads else ""
    word = "would go" if dry_run else "forgotten"
    say(f"{repository.store.place}: {_counted(len(names), 'backup')} {word}{kept}")
    for trouble in troubles:
        say_aside(f"note: {trouble}")


@commands.command("prune")
@click.option("--dry-run", is_flag=True, help="Say what would go.")
@repository_option
@identity_option
@options.as_json
def prune_(*, dry_run: bool, repo: str | None, identity: Path | None, as_json: bool) -> None:
    """Free the space of what no backup needs. Nobody else may be at work there (exit code 11)."""
    repository = opened(repo, identity)
    from maos_sup.backups.keeping import prune

    done = prune(repository, is_dry=dry_run, sweep=sweep_of(repository))
    if as_json:
        say_json(
            {
                "dry_run": dry_run,
                "segments": done.segments,
                "bytes": done.stored_bytes,
                "leftovers": done.leftovers,
                "kept_segments": done.kept_segments,
                "kept_bytes": done.kept_bytes,
            }
        )
        return
    word = "would go" if dry_run else "went"
    say(
        f"{repository.store.place}: {_counted(done.segments, 'segment')}, {done.stored_bytes:,} bytes {word}"
        f"; {_counted(done.kept_segments, 'segment')}, {done.kept_bytes:,} bytes stay"
    )


def _heads(repository: BackupRepository) -> tuple[list[BackupHead], list[str]]:
    """The heads of all backups, and what is wrong with those that cannot be read."""
    from maos_sup.backups.manifest import BackupHead

    found = list(repository.heads())
    heads = [each for each in found if isinstance(each, BackupHead)]
    return heads, [str(each) for each in found if not isinstance(each, BackupHead)]


def _told(head: BackupHead) -> dict[str, object]:
    return {
        "backup": head.id,
        "id": head.tree,
        "request": head.request,
        "at": head.at,
        "files": head.files,
        "bytes": head.size_bytes,
        "added_bytes": head.added_bytes,
        "stored_bytes": head.stored_bytes,
    }


def _time(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    if found is None:
        raise BadInput(f"--keep-within is {text!r}; use a number and m, h, d or w, such as 7d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
