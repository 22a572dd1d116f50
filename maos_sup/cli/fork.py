"""`fork`: begin a new orchestration where a checkpoint of another one stands; the original works on."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import click

from maos_sup.cli import options
from maos_sup.cli.places import home, tree_at, word_of
from maos_sup.cli.says import say, say_json
from maos_sup.cuts import store
from maos_sup.cuts.forking import fork, fork_roots
from maos_sup.cuts.take import take_cut
from maos_sup.supervisor.rewinding import memory_at
from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.paths import Tree
from state_layout.specs import read_specs
from state_layout.tree.names import new_id

_MOST = 64


@click.command("fork")
@options.directory
@click.argument("checkpoint", metavar="[CHECKPOINT]", required=False)
@click.option("-o", "--out", "out", metavar="NEW", type=click.Path(path_type=Path), help="Where to put it.")
@click.option("-n", "count", metavar="N", type=options.count(1, _MOST), default=1, help="Make N of them.")
@click.option(
    "--set", "settings", metavar="KEY VALUE", nargs=2, multiple=True, help="Set a key of the orchestration."
)
@options.as_json
def command(
    directory: str,
    checkpoint: str | None,
    *,
    out: Path | None,
    count: int,
    settings: tuple[tuple[str, str], ...],
    as_json: bool,
) -> None:
    """Begin a new orchestration at CHECKPOINT, or now: own id, own budget; the original works on."""
    tree = tree_at(directory)
    cut = store.find(tree, checkpoint) if checkpoint else take_cut(tree, by="operator", why="for a fork")
    change = partial(_with, settings=[(key, _value(value)) for key, value in settings])
    memory = memory_at(tree, cut.supervisor)
    made = list[Tree]()
    for root in _roots(tree, out, count):
        made.append(fork(tree, cut, root, id_=root.name, change=change, memory=dict(memory or {}) or None))
    if as_json:
        say_json({"checkpoint": cut.number, "forks": [str(each.root) for each in made]})
        return
    for each in made:
        say(f"{each.root}: begins at checkpoint {cut.label}; go on with: maos-sup resume {word_of(each)}")


def _roots(tree: Tree, out: Path | None, count: int) -> list[Path]:
    """Choose where the forks go: `out`, else ids of their own in the home."""
    if out is not None:
        return fork_roots(out.absolute(), int(count))
    request = read_specs(tree).specs.orchestration.request
    return [home() / new_id(request, datetime.now(UTC), Random()) for _ in range(int(count))]


def _value(text: str) -> Any:
    try:
        return codec.decode(text.encode())
    except codec.NotJson:
        return text


def _with(spec: dict[str, object], *, settings: list[tuple[str, Any]]) -> dict[str, object]:
    """`spec` with each key of `settings`, which may name one inside of an object: `limits.max_agents`."""
    changed = codec.decode_object(codec.encode(spec))
    for key, value in settings:
        *outer, last = key.split(".")
        inner = changed
        for name in outer:
            inner = inner.setdefault(name, {})
            if not isinstance(inner, dict):
                raise BadInput(f"--set {key}: {name!r} has no keys inside")
        inner[last] = value
    return changed
