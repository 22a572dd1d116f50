"""Says what `attach` and `resume` saw last of an orchestration: kept in the home, outside of the tree itself.

So a tree that was put back to an older state, or edited, is noticed by who looks at it again. Nobody is ever
hindered: where heads cannot be read or kept, nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from maos_sup.cli.places import home
from maos_sup.cli.says import say_aside
from maos_sup.cuts.heads import Heads, added, heads_of, missing
from maos_sup.supervisor.rewinding import last_rewinding
from maos_sup.views.files import printable
from state_layout.errors import LayoutError
from state_layout.files import atomic, codec
from state_layout.files.chain import utc_now
from state_layout.files.reading import read_record
from state_layout.paths import Tree

_REMEDY = (
    "the tree was put back to an older state, edited, or lost what was not durable; look with maos-sup check"
)


@contextmanager
def remembered(tree: Tree) -> Iterator[None]:
    """Say what became of what was seen last time; remember what is seen now and at the end."""
    with suppress(LayoutError, OSError):
        _look(tree)
    try:
        yield
    finally:
        with suppress(LayoutError, OSError):
            _keep(tree, _now(tree, _seen(tree)))


def _look(tree: Tree) -> None:
    seen = _seen(tree)
    now = _now(tree, seen)
    if seen is not None and seen.id == now.id:
        for line in _news(tree, seen, now):
            say_aside(printable(line))
    _keep(tree, now)


def _news(tree: Tree, seen: Heads, now: Heads) -> Iterator[str]:
    """Yield what is to be said about what happened since `seen`."""
    when = seen.at[:19]
    gone = [*missing(tree, seen)]
    for what in gone:
        yield f"warning: {what} (seen {when} UTC): {_REMEDY}"
    last = last_rewinding(tree)
    if last is not None and now.void != seen.void:
        yield f"since you looked at {when} UTC the team was taken to checkpoint {last['cut']} ({last['by']})"
    elif not gone and (count := added(seen, now)) > 0:
        lines = "1 line is" if count == 1 else f"{count} lines are"
        yield f"since you looked at {when} UTC {lines} new; all that was there is there still"


def _now(tree: Tree, before: Heads | None) -> Heads:
    return heads_of(tree, at=utc_now(), rewound=last_rewinding(tree), before=before)


def _path(tree: Tree) -> Path:
    """Name the file that keeps the heads of the tree at this place."""
    name = sha256(str(tree.root).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return home() / ".heads" / f"{name}.json"


def _seen(tree: Tree) -> Heads | None:
    try:
        return Heads.from_json(codec.decode_object(read_record(_path(tree))))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # never seen, or not by this version


def _keep(tree: Tree, now: Heads) -> None:
    atomic.make_folder(_path(tree).parent)
    atomic.refresh(_path(tree), codec.encode_pretty(now.to_json()))
