"""Says where trees lie: the home, and which tree the words on a command line mean."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from maos_sup.cli import edge
from maos_sup.cli.says import say_aside
from state_layout.errors import NotATree
from state_layout.files.reading import read_record
from state_layout.host.home import home as home  # commands ask for it here
from state_layout.host.identity import is_alive, read_handle
from state_layout.paths import FORMAT_WORD, Tree
from state_layout.tree import find_tree, list_trees, open_tree
from state_layout.tree.ages import made_s
from state_layout.tree.elsewhere import id_of, trees_elsewhere


def tree_at(text: str) -> Tree:
    """The tree that a directory, an id or the beginning of one names. Raises NotATree, BadInput."""
    try:
        return open_made(find_tree(text, home()))
    except NotATree:
        matching = _elsewhere(text) if text.strip() else []
        if len(matching) != 1 or os.sep in text:
            raise
        return open_made(open_tree(matching[0].root))


def trees_at(texts: Iterable[str]) -> list[Tree]:
    """Find the trees that these name, each once, by whatever words and links. Raises NotATree, BadInput."""
    found = dict[Path, Tree]()
    for tree in map(tree_at, texts):
        found.setdefault(tree.root.resolve(), tree)
    return [*found.values()]


def _elsewhere(text: str) -> list[Tree]:
    """The trees outside of the home whose folder is called `text`, else those whose id holds it."""
    trees = trees_elsewhere(home())
    return [tree for tree in trees if tree.root.name == text] or [
        tree for tree in trees if text in id_of(tree)
    ]


def all_trees() -> list[Tree]:
    """The trees of the home and those that `run --dir` made elsewhere, the oldest first.

    Ids tell the minute only: of two of the same minute their files say which is the older.
    """
    return sorted([*list_trees(home()), *trees_elsewhere(home())], key=_made)


def _made(tree: Tree) -> tuple[float, str]:
    id_ = id_of(tree)
    return made_s(tree, id_) or 0.0, id_


def tree_or_default(text: str | None) -> Tree:
    """Find the tree as `tree_at` does; without `text` that around the current folder, else the newest at
    home."""
    if text is not None:
        return tree_at(text)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if _is_tree(folder):
            return open_made(open_tree(folder))
    trees = all_trees()
    if not trees:
        raise NotATree(
            f"{home()}: holds no orchestration yet; begin one with 'maos-sup run PLAN', or name a directory"
        )
    newest = trees[-1]
    _say_which(newest, trees)
    return open_made(newest)


def tree_of_words(words: tuple[str, ...], least: int, *, usage: str) -> tuple[Tree, tuple[str, ...]]:
    """The tree that the first of `words` names, and the others; the default one and all words otherwise.

    With no more than `least` words the first names a tree only by its whole id or its path: `rollback 2` is
    no part of an id. Raises UsageError with `usage` for fewer words, NotATree, BadInput.
    """
    if len(words) < least:
        import click

        raise click.UsageError(usage)
    if len(words) > least or (words and (_is_tree(home() / words[0]) or _is_tree(Path(words[0])))):
        return tree_at(words[0]), words[1:]
    return tree_or_default(None), words


def _say_which(chosen: Tree, trees: list[Tree]) -> None:
    """Name the tree that is meant where another one lives as well."""
    others = [tree for tree in trees if tree is not chosen and _is_supervised(tree)]
    if others:
        names = ", ".join(name_of(tree) for tree in others[:3]) + (", ..." if len(others) > 3 else "")
        lives = "live" if len(others) > 1 else "lives"
        say_aside(f"{name_of(chosen)} is meant, the newest ({names} {lives} too)")


def _is_supervised(tree: Tree) -> bool:
    handle = read_handle(tree.supervisor_handle)
    return handle is not None and bool(is_alive(handle))


def user_roles() -> Path:
    """Name the folder of the user's own role templates."""
    given = os.environ.get("XDG_CONFIG_HOME")
    return (Path(given) if given else Path.home() / ".config") / "maos-sup" / "roles"


def name_of(tree: Tree) -> str:
    """Name the tree for a command line that works from anywhere."""
    return tree.root.name if tree.root.parent == home().resolve() else str(tree.root)


def word_of(tree: Tree) -> str:
    """The name as one word of a shell, for a command that people may paste."""
    return shlex.quote(name_of(tree))


def open_made(tree: Tree) -> Tree:
    """`tree`, from now on the one whose `run/` gets tracebacks."""
    edge.keep_tracebacks_in(tree.run)
    return tree


def _is_tree(folder: Path) -> bool:
    try:
        return read_record(folder / "FORMAT").startswith(FORMAT_WORD.encode())
    except OSError:
        return False
