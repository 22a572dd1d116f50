"""`sync`: keep a bucket in step with an orchestration, so that it can go on from there on another host."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maos_sup.cli import options
from maos_sup.cli.backup import look_at
from maos_sup.cli.moving import moving
from maos_sup.cli.places import home, name_of, tree_of_words, word_of
from maos_sup.cli.repositories import bucket_of, identity_option
from maos_sup.cli.says import say, say_aside, say_json
from state_layout.errors import BadInput, Locked, StorageError
from state_layout.files import codec
from state_layout.paths import Tree

if TYPE_CHECKING:
    from maos_sup.backups.bucket import BucketStore
    from maos_sup.backups.repository import BackupRepository
    from maos_sup.backups.syncing import Synced

MARKER = "maos-sup-sync.json"
_MOST_WAIT_S = 60.0
_USAGE = "say where: sync [DIR|ID] s3://BUCKET/PREFIX"


class SyncGroup(click.Group):
    """The group has its commands; anything else is what `run` takes, so that `sync DIR URL` is enough."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; `run` where none is named."""
        if args[0] not in self.commands:
            return super().resolve_command(ctx, ["run", *args])
        return super().resolve_command(ctx, args)


@click.group("sync", cls=SyncGroup, no_args_is_help=True, context_settings={"ignore_unknown_options": True})
def commands() -> None:
    """Keep a bucket in step with an orchestration: sync init s3://..., then sync DIR s3://..."""


@commands.command("init")
@click.argument("url", metavar="URL")
@click.option("--recipient", "recipients", metavar="KEY", multiple=True, help="Encrypt for this public key.")
@click.option("--unfenced", is_flag=True, help="Even if the store lets two hosts overwrite each other.")
@options.as_json
def init(url: str, *, recipients: tuple[str, ...], unfenced: bool, as_json: bool) -> None:
    """Examine a bucket, and make a repository in it; refused where two hosts could not be kept apart."""
    store = bucket_of(url)
    from maos_sup.backups.probing import conditions_not_honoured
    from maos_sup.backups.repository import BackupRepository

    with moving(f"examining {url}"):
        wrong = conditions_not_honoured(store)
    if wrong and not unfenced:
        raise BadInput(
            f"{url}: cannot keep two hosts apart: {wrong[0]}; use a store that honours If-Match, or say "
            "--unfenced and see to it that only one host syncs"
        )
    BackupRepository.begun(store, recipients=recipients)
    store.remove(MARKER)
    store.put(MARKER, codec.encode_pretty({"sync": 1, "fenced": not wrong}))
    if as_json:
        say_json({"place": url, "fenced": not wrong, "problems": wrong})
    else:
        fenced = f"without a fence: {wrong[0]}" if wrong else "two hosts are kept apart"
        say(f"{url}: ready; {fenced}")


@commands.command("run")
@click.argument("words", metavar="[DIR|ID] URL", nargs=-1)
@click.option(
    "--every", "every_s", type=options.AmountType(), default=10.0, metavar="S", help="Seconds between."
)
@click.option("--once", is_flag=True, help="Bring what is new, and end.")
@click.option("--take", is_flag=True, help="Take over from another host, whose sync ends then.")
@click.option("--with-secrets", is_flag=True, help="Even if there are secrets in files.")
@identity_option
@options.as_json
def run(
    words: tuple[str, ...],
    *,
    every_s: float,
    once: bool,
    take: bool,
    with_secrets: bool,
    identity: Path | None,
    as_json: bool,
) -> None:
    """Bring what is new, again and again; Ctrl+C ends it, and it may be killed. What was killed goes on."""
    tree, rest = tree_of_words(words, 1, usage=_USAGE)
    if len(rest) != 1:
        raise click.UsageError(_USAGE)
    store = bucket_of(rest[0])
    repository, is_fenced = _ready(store, identity)
    from maos_sup.backups.syncing import Fenced, TreeSync

    sync = TreeSync(tree, store, repository, is_fenced=is_fenced)
    sync.begin(may_take=take)
    look, said_trouble = look_at(tree, with_secrets=with_secrets), ""
    wait_s = every_s
    while True:
        try:
            done = sync.step(look=look)
        except (StorageError, Locked) as error:
            if once or isinstance(error, Fenced):
                raise
            if str(error) != said_trouble:
                say_aside(f"maos-sup: {error}; it is tried again")
            said_trouble, wait_s = str(error), min(2 * wait_s + 1, _MOST_WAIT_S)
        else:
            said_trouble, wait_s = "", every_s
            _say(tree, done, once=once, as_json=as_json)
        if once:
            return
        time.sleep(wait_s)


@commands.command("status")
@click.argument("url", metavar="URL")
@identity_option
@options.as_json
def status(url: str, *, identity: Path | None, as_json: bool) -> None:
    """List what is kept in sync in a bucket: from where, and when it moved last."""
    repository, is_fenced = _ready(bucket_of(url), identity)
    heads = [repository.head(name) for name in repository.synced()]
    if as_json:
        told = [
            {"id": each.tree, "host": each.host, "at": each.at, "files": each.files, "bytes": each.size_bytes}
            for each in heads
        ]
        say_json({"place": url, "fenced": is_fenced, "heads": told})
        return
    lines = [
        f"{each.tree}: {each.files:,} files, {each.size_bytes:,} bytes, from {each.host} at {each.at}"
        for each in heads
    ]
    say("\n".join(lines) or f"{url}: nothing is kept in sync there yet")


@commands.command("restore")
@click.argument("words", metavar="[ID] URL", nargs=-1, required=True)
@click.option("-o", "--out", "out", metavar="DIR", type=click.Path(path_type=Path), help="Where to put it.")
@click.option("--damaged", is_flag=True, help="What can be read, even if some is damaged.")
@identity_option
@options.as_json
def restore(
    words: tuple[str, ...], *, out: Path | None, damaged: bool, identity: Path | None, as_json: bool
) -> None:
    """Make the orchestration of what is kept in sync, in the home or at DIR, where nothing may be."""
    if len(words) > 2:
        raise click.UsageError("it is: sync restore [ID] URL")
    repository, _ = _ready(bucket_of(words[-1]), identity)
    from maos_sup.backups.restoring import restore_backup

    name = _meant(repository, words[0] if len(words) == 2 else None)
    manifest = repository.manifest(name)
    root = out.absolute() if out is not None else home() / manifest.head.tree.replace("/", "-").lstrip(".")
    with moving(f"restoring {manifest.head.tree}") as moved:
        made = restore_backup(repository, manifest, root, may_be_damaged=damaged, moved=moved)
    for note in [f"{path}: lost: it is damaged there" for path in made.lost]:
        say_aside(f"note: {note}")
    if as_json:
        say_json({"id": manifest.head.tree, "directory": str(made.root), "files": made.files})
        return
    go_on = f"go on with: maos-sup resume {word_of(Tree(made.root))}"
    say(f"{made.root}: {made.files:,} files, {made.size_bytes:,} bytes, as at {manifest.head.at}; {go_on}")


def _ready(store: BucketStore, identity: Path | None) -> tuple[BackupRepository, bool]:
    """The repository in a bucket that was examined, and whether it fences."""
    from maos_sup.backups.repository import BackupRepository

    data = store.get(MARKER)
    if data is None:
        raise BadInput(f"{store.place}: was not examined yet; say first: maos-sup sync init {store.place}")
    try:
        is_fenced = bool(codec.decode_object(data)["fenced"])
    except (ValueError, KeyError) as cause:
        raise BadInput(f"{store.place}: {MARKER} is not in form; say sync init again") from cause
    return BackupRepository.opened(store, identity=identity), is_fenced


def _meant(repository: BackupRepository, word: str | None) -> str:
    names = repository.synced()
    own = [name for name in names if word is not None and name.endswith(repository.key_of(word))]
    if own:
        return own[0]
    matching = [name for name in names if word is None or word in repository.head(name).tree]
    if len(matching) == 1:
        return matching[0]
    known = ", ".join(repository.head(name).tree for name in names[:5]) or "nothing"
    raise BadInput(f"{repository.store.place}: say which; there is: {known}")


def _say(tree: Tree, done: Synced, *, once: bool, as_json: bool) -> None:
    if not done.has_moved and not once:
        return
    head = done.head
    if as_json:
        told = {"id": head.tree, "moved": done.has_moved, "at": head.at, "files": head.files}
        say_json(told | {"bytes": head.size_bytes, "added_bytes": head.added_bytes})
        return
    new = f"{head.added_bytes:,} new" if done.has_moved else "nothing new"
    say(f"{name_of(tree)}: {head.files:,} files, {head.size_bytes:,} bytes, {new}")
