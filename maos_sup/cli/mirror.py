"""`mirror ...`: databases that follow a tree. The files stay the only truth; a mirror can be made again."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click

from maos_sup.cli import edge, options
from maos_sup.cli.places import tree_at, tree_of_words, tree_or_default, word_of
from maos_sup.cli.says import say, say_aside, say_json
from maos_sup.mirrors.following import follow
from maos_sup.mirrors.looking import Looker
from maos_sup.mirrors.mirror import Cursor, Mirror
from maos_sup.mirrors.registry import open_mirror, place_of
from maos_sup.mirrors.restoring import chosen, restore
from maos_sup.mirrors.standing import refuse_other_history, refuse_twice, standing_of
from maos_sup.mirrors.verifying import Comparison, verify
from maos_sup.system.followers import end_follower, start_followers
from maos_sup.views.render import table, terminal_width
from state_layout.errors import BadInput, NotATree
from state_layout.files import disk
from state_layout.files.locks import take_life_lock
from state_layout.host.mirrored import Mirrored, add_mirror, mirror_named, mirrors_of
from state_layout.paths import Tree
from state_layout.witness import id_of

_MOST_SHOWN = 20
_named = click.argument("words", metavar="[DIR|ID] [NAME]", nargs=-1)


@click.group("mirror", no_args_is_help=True)
def commands() -> None:
    """Databases that follow an orchestration. They may be lost: the files stay the only truth."""


@commands.command("add")
@click.argument("words", metavar="[DIR|ID] URL", nargs=-1)
@click.option("--name", metavar="N", help="What to call it; the sort of database by default.")
@options.as_json
def add(words: tuple[str, ...], *, name: str | None, as_json: bool) -> None:
    """Have a database follow: sqlite:FILE, postgresql://..., redis://...; $NAME: a variable that holds it."""
    tree, rest = tree_of_words(words, 1, usage="say where: mirror add [DIR|ID] URL")
    if len(rest) != 1:
        raise click.UsageError(f"unexpected {rest[1]!r}; it is: mirror add [DIR|ID] URL")
    url = place_of(rest[0])
    mirrored = Mirrored(name=name or url.partition(":")[0].lstrip("$").lower().replace(".", "-"), url=url)
    _refuse_inside(tree, mirrored.place)
    mirror = open_mirror(mirrored.place, id_of(tree), may_make=True)
    try:
        refuse_other_history(tree, mirror)
        identity = mirror.identity()
    finally:
        mirror.close()
    refuse_twice(tree, identity)
    add_mirror(tree, mirrored)
    start_followers(tree)
    if as_json:
        say_json({"name": mirrored.name, "url": mirrored.url})
    else:
        say(f"mirror {mirrored.name}: follows; how far: maos-sup mirror status {word_of(tree)}")


@commands.command("list")
@options.directory_or_default
@options.as_json
def list_(directory: str | None, *, as_json: bool) -> None:
    """List the mirrors of an orchestration."""
    found = mirrors_of(tree_or_default(directory))
    if as_json:
        say_json({"mirrors": [{"name": each.name, "url": each.url} for each in found]})
    else:
        say("\n".join(f"{each.name}\t{each.url}" for each in found) or "no mirrors; maos-sup mirror add")


@commands.command("status")
@_named
@options.as_json
def status(words: tuple[str, ...], *, as_json: bool) -> None:
    """Show how far each mirror is behind the files, asked of the mirror itself."""
    tree, meant = _looked_at(words)
    found = [standing_of(tree, each) for each in meant]
    if as_json:
        say_json({"mirrors": found})
        return
    rows = [
        (
            told["name"],
            told["state"],
            str(told["pid"] or "-"),
            "-" if told["lag_bytes"] is None else str(told["lag_bytes"]),
            f"{told['lag_s']:g}",
            told["trouble"] or told["url"],
        )
        for told in found
    ]
    heads = ("MIRROR", "STATE", "PID", "BYTES BEHIND", "SECONDS", "WHERE")
    say("\n".join(table(heads, rows, width=terminal_width(), by_worth=("PID",))) if rows else "no mirrors")


@commands.command("rebuild")
@_named
@options.as_json
def rebuild(words: tuple[str, ...], *, as_json: bool) -> None:
    """Make what a mirror has anew from the files. Readers see the old until it is done."""
    tree, mirrored = _one(words)
    mirror = open_mirror(mirrored.place, id_of(tree), may_make=True)  # or its follower goes on
    try:
        end_follower(tree, mirrored.name)
        lock = take_life_lock(tree.mirror_file(mirrored.name, "lock"))
        try:
            looker = Looker(tree, Cursor())
            mirror.rebuild(looker.batches())
        finally:
            lock.release()
    finally:
        mirror.close()
        start_followers(tree)
    lines = sum(1 for path in looker.cursor.lines)
    told = {"name": mirrored.name, "journals": lines, "troubles": [*looker.troubles.values()]}
    if as_json:
        say_json(told)
        return
    say(f"mirror {mirrored.name}: made anew from {_counted(len(looker.scanner.files), 'file')}")
    for trouble in looker.troubles.values():
        say_aside(f"note: {trouble}")


@commands.command("verify")
@_named
@options.as_json
def verify_(words: tuple[str, ...], *, as_json: bool) -> int:
    """Hold a mirror against the files, line for line; exit code 12 if it has anything else than they."""
    tree, found = _looked_at(words)
    mirrored = _only(found)
    mirror = open_mirror(mirrored.place, id_of(tree))
    try:
        verdict = verify(tree, mirror)
    finally:
        mirror.close()
    if as_json:
        say_json(
            {
                "equal": verdict.is_equal,
                "lines": verdict.lines,
                "files": verdict.files,
                "behind": verdict.behind,
                "kept": verdict.kept,
                "differences": verdict.differences,
            }
        )
    else:
        say("\n".join(_verdict_lines(mirrored.name, verdict)))
    return edge.DAMAGED if verdict.differences else edge.OK


@commands.command("rm")
@_named
@click.option("--forget", is_flag=True, help="Remove what the database has of the orchestration as well.")
def remove(words: tuple[str, ...], *, forget: bool) -> None:
    """Have a mirror follow no longer. What it holds stays there."""
    tree, mirrored = _one(words)
    mirror: Mirror | None = open_mirror(mirrored.place, id_of(tree)) if forget else None
    disk.unlink(tree.mirror_file(mirrored.name, "json"))
    end_follower(tree, mirrored.name)
    if mirror is not None:
        try:
            mirror.forget()
        finally:
            mirror.close()
    for what in ("status.json", "log", "lock"):
        disk.unlink(tree.mirror_file(mirrored.name, what))
    say(f"mirror {mirrored.name}: removed{', and what it held' if forget else '; what it holds stays'}")


@commands.command("restore")
@click.argument("url", metavar="URL")
@click.argument("target", metavar="NEW", type=click.Path(path_type=Path))
@click.option("--id", "id_", metavar="ID", help="Which orchestration, where the mirror holds several.")
@options.as_json
def restore_(url: str, target: Path, *, id_: str | None, as_json: bool) -> None:
    """Make a tree in the new folder NEW from what a mirror holds; each line is held against its hash."""
    place = Mirrored(name="restore", url=place_of(url)).place
    mirror = open_mirror(place, "")
    try:
        wanted = chosen(mirror, id_)
    finally:
        mirror.close()
    mirror = open_mirror(place, wanted)
    try:
        made = restore(mirror, target.absolute())
    finally:
        mirror.close()
    if as_json:
        say_json({"directory": str(made.tree.root), "files": made.files, "lines": made.lines})
        return
    say(
        f"{made.tree.root}: {_counted(made.lines, 'line')} in {_counted(made.files, 'file')}; "
        f"go on with: maos-sup resume {word_of(made.tree)}"
    )


@commands.command("follow")
@_named
def follow_(words: tuple[str, ...]) -> None:
    """Be a mirror's follower in the foreground and stay (systemd, containers)."""
    tree, mirrored = _one(words)
    follow(tree.root, mirrored.name, stays=True)


def _verdict_lines(name: str, verdict: Comparison) -> list[str]:
    head = f"{_counted(verdict.lines, 'line')} in {_counted(verdict.files, 'file')} compared"
    lines = [f"mirror {name}: {'equal' if verdict.is_equal else 'not equal'}; {head}"]
    for word, found in (("differs", verdict.differences), ("behind", verdict.behind)):
        lines += [f"  {word}: {text}" for text in found[:_MOST_SHOWN]]
        if len(found) > _MOST_SHOWN:
            lines.append(f"  {word}: and {len(found) - _MOST_SHOWN} more")
    if verdict.kept:
        lines.append(f"  kept: {_counted(len(verdict.kept), 'file')} that the tree has no more")
    return lines


def _tree_and_names(words: tuple[str, ...]) -> tuple[Tree, tuple[str, ...]]:
    tree, rest = tree_of_words(words, 1, usage="") if words else (tree_or_default(None), ())
    if len(rest) > 1:
        raise click.UsageError(f"unexpected {rest[1]!r}; name one mirror")
    return tree, rest


def _meant(tree: Tree, names: tuple[str, ...]) -> list[Mirrored]:
    return [mirror_named(tree, names[0])] if names else mirrors_of(tree)


def _one(words: tuple[str, ...]) -> tuple[Tree, Mirrored]:
    """The tree and the mirror that are meant: the only one, where none is named."""
    tree, names = _tree_and_names(words)
    return tree, _only(_meant(tree, names))


def _looked_at(words: tuple[str, ...]) -> tuple[Tree, list[Mirrored]]:
    """Find the tree and those of its mirrors that are to be looked at: all of them, where none is named.

    A single word is a mirror of the default tree where there is such a one, else a part of an id.
    """
    tree, names = _tree_and_names(words)
    if len(words) == 1 and names and names[0] not in {each.name for each in mirrors_of(tree)}:
        with suppress(NotATree):
            tree, names = tree_at(names[0]), ()
    return tree, _meant(tree, names)


def _only(found: list[Mirrored]) -> Mirrored:
    if len(found) != 1:
        known = ", ".join(each.name for each in found) or "none; maos-sup mirror add"
        raise BadInput(f"say which mirror; there are: {known}")
    return found[0]


def _refuse_inside(tree: Tree, url: str) -> None:
    if url.startswith("sqlite:") and _file_of(url).is_relative_to(tree.root.resolve()):
        raise BadInput(f"{url}: lies inside of the orchestration; name a file outside of it")


def _file_of(url: str) -> Path:
    """Find the file itself, whatever links and `..` lead to it."""
    return Path(url.removeprefix("sqlite:").removeprefix("//")).resolve()


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
