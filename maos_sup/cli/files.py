"""`files`, `restore`: what an agent had in its workspace at several times, and going back to it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from maos_sup.cli import options
from maos_sup.cli.places import name_of, tree_of_words
from maos_sup.cli.says import say, say_aside, say_json
from maos_sup.core.overlaps import counted_files
from maos_sup.cuts import store as cut_store
from maos_sup.steering.wanting import known_agent
from maos_sup.views.events import counted
from maos_sup.views.files import printable
from maos_sup.workspaces import restoring, snapshots
from maos_sup.workspaces.manifest import Manifest, differences
from maos_sup.workspaces.restoring import Step
from maos_sup.workspaces.snapshots import Camera, Snapshot
from maos_sup.workspaces.store import Store
from state_layout.errors import BadInput, Locked
from state_layout.files import locks
from state_layout.files.locks import take_life_lock
from state_layout.files.looking import is_dir
from state_layout.paths import Tree
from state_layout.specs import read_specs

_MOST_SHOWN = 40
_KINDS = {"f": "file", "l": "link", "d": "folder"}


@click.command("files")
@click.argument("words", metavar="[DIR|ID] AGENT", nargs=-1)
@click.option("--at", metavar="CHECKPOINT", help="What it had at this checkpoint of the team.")
@click.option("--snapshot", "number", metavar="N", type=options.count(), help="What is in this snapshot.")
@click.option(
    "--gc", "collects", is_flag=True, help="Remove what the rule 'keep' does not keep, of all agents."
)
@options.as_json
def files(
    words: tuple[str, ...], *, at: str | None, number: int | None, collects: bool, as_json: bool
) -> None:
    """List the snapshots of what AGENT had in its workspace, or the files in one of them."""
    if collects:
        _collect(words, as_json=as_json)
        return
    tree, agent, _ = _meant(words, "files [DIR|ID] AGENT")
    paths = tree.agent(agent)
    if at is None and number is None:
        _list(tree, agent, as_json=as_json)
        return
    chosen = _chosen(tree, agent, at=at, number=number, before=None)
    held = snapshots.manifest_of(Store(tree), chosen)
    if as_json:
        rows = [
            {"path": path, "kind": _KINDS[entry.kind], "mode": f"{entry.mode:04o}", "bytes": entry.size}
            for path, entry in sorted(held.entries.items())
        ]
        say_json({"agent": agent, "snapshot": chosen.number, "files": rows, "left_out": list(held.excluded)})
        return
    lines = [
        f"{entry.mode:04o} {entry.size:>9} {printable(path)}{'/' * (entry.kind == 'd')}"
        for path, entry in sorted(held.entries.items())
    ]
    say("\n".join([f"snapshot {chosen.number} of {paths.root.name}, {chosen.at}", *lines]))
    if held.excluded:
        say_aside(f"left out: {', '.join(map(printable, held.excluded[:_MOST_SHOWN]))}")


@click.command("restore")
@click.argument("words", metavar="[DIR|ID] AGENT [PATH]...", nargs=-1)
@click.option("--at", metavar="CHECKPOINT", help="As they were at this checkpoint of the team.")
@click.option("--before", metavar="CALL", help="As they were before this tool call (its id).")
@click.option("--snapshot", "number", metavar="N", type=options.count(), help="As they are in this snapshot.")
@click.option("--redo", is_flag=True, help="Take back the last restore.")
@click.option(
    "-o", "--output", metavar="FOLDER", type=click.Path(path_type=Path), help="Put them there instead."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--force", is_flag=True, help="Also over edits that are not the agent's, and a HEAD that moved."
)
@options.as_json
def restore(
    words: tuple[str, ...],
    *,
    at: str | None,
    before: str | None,
    number: int | None,
    redo: bool,
    output: Path | None,
    dry_run: bool,
    yes: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Bring the files of AGENT (or those under PATH) back to what a snapshot of its workspace holds.

    It must rest: pause it first. What is there now is kept as a snapshot of its own.
    """
    tree, agent, paths = _meant(words, "restore [DIR|ID] AGENT [PATH]...")
    for path in paths:
        if path.startswith("/") or ".." in path.split("/"):
            raise BadInput(f"{path!r}: use a path in the workspace, relative, without '..'")
    paths = tuple(path.strip("/").removeprefix("./") for path in paths)
    if output is not None:
        chosen = _chosen(tree, agent, at=at, number=number, before=before)
        store = Store(tree)
        count = restoring.lay_out(store, snapshots.manifest_of(store, chosen), paths, output)
        say(f"{counted_files(count)} of snapshot {chosen.number} put into {output}")
        return
    with _resting(tree, agent):
        if (told := restoring.finish(tree, agent)) is not None:
            say_aside(f"a restore to snapshot {told['target']} was cut off; it is finished now")
        chosen = (
            _last_before(tree, agent) if redo else _chosen(tree, agent, at=at, number=number, before=before)
        )
        if not is_dir(snapshots.folder_of(tree.agent(agent), chosen.place)):
            raise BadInput(
                f"the {chosen.place} of {agent} is not there; it is made anew when {agent} starts "
                f"(maos-sup retry {name_of(tree)} --agent {agent}); -o FOLDER puts the files elsewhere now"
            )
        camera = Camera(tree, agent, chosen.place)
        now = camera.look()
        steps = restoring.steps_between(now, snapshots.manifest_of(camera.store, chosen), paths)
        refusals = [*_refusals(tree, agent, chosen, now, steps)]
        if not as_json:
            say("\n".join(_preview(chosen, steps)))
        if dry_run or not steps:
            _tell(agent, chosen, steps, None, as_json=as_json)
            return
        if refusals and not force:
            raise BadInput(*refusals)
        if not yes and not _says_yes():
            raise BadInput("nothing was restored; --yes does it without asking")
        kept = restoring.restore(tree, agent, chosen, paths)
        _tell(agent, chosen, steps, kept, as_json=as_json)


def _meant(words: tuple[str, ...], usage: str) -> tuple[Tree, str, tuple[str, ...]]:
    tree, rest = tree_of_words(words, 1, usage=usage)
    if not rest:
        raise click.UsageError(usage)
    return tree, known_agent(tree, rest[0]), rest[1:]


def _chosen(tree: Tree, agent: str, *, at: str | None, number: int | None, before: str | None) -> Snapshot:
    """The snapshot that is meant. Raises BadInput."""
    paths = tree.agent(agent)
    if sum(choice is not None for choice in (at, number, before)) != 1:
        raise BadInput("say which: --at CHECKPOINT, --before CALL or --snapshot N")
    if number is not None:
        return snapshots.read(paths, number)
    if before is not None:
        found = snapshots.before_call(paths, before)
        if found is None:
            raise BadInput(
                f"no snapshot was taken before call {before!r}; 'maos-sup files' lists what there is"
            )
        return found
    return snapshot_at(tree, agent, at or "")


def snapshot_at(tree: Tree, agent: str, checkpoint: str) -> Snapshot:
    """Find what the workspace of `agent` held at a checkpoint of the team. Raises BadInput without any."""
    cut = cut_store.find(tree, checkpoint)
    place = cut.places.get(agent)
    found = None
    if place is not None:
        found = snapshots.at_line(tree.agent(agent), place.attempt, place.seq, checkpoint=cut.number)
    if found is None:
        raise BadInput(f"no snapshot of {agent} is as old as checkpoint {cut.label}")
    return found


def _last_before(tree: Tree, agent: str) -> Snapshot:
    found = [one for one in snapshots.every(tree.agent(agent)) if one.why.startswith("before restore")]
    if not found:
        raise BadInput(f"no restore of {agent} to take back")
    return found[-1]


@contextmanager
def _resting(tree: Tree, agent: str) -> Iterator[None]:
    try:
        lock = take_life_lock(tree.agent(agent).lock)
    except Locked as cause:
        raise Locked(f"{agent} works; pause it first: maos-sup pause {name_of(tree)} {agent}") from cause
    try:
        yield
    finally:
        lock.release()


def _refusals(tree: Tree, agent: str, chosen: Snapshot, now: Manifest, steps: list[Step]) -> Iterator[str]:
    """Say why it is not done without --force: edits of others that would go, a branch that moved."""
    known = [one for one in snapshots.every(tree.agent(agent)) if one.place == chosen.place]
    if not known:
        return
    last = snapshots.manifest_of(Store(tree), known[-1])
    touched = {step.path for step in steps}
    foreign = [path for path, _, after in differences(last, now) if path in touched and after is not None]
    if foreign:
        named = ", ".join(map(printable, foreign[:5]))
        yield (
            f"{named}: changed since the last snapshot of {agent}, by somebody else; -o FOLDER puts the old "
            "files elsewhere, --force replaces these (they are kept as a snapshot)"
        )
    if chosen.head is not None and known[-1].head is not None and chosen.head != known[-1].head:
        yield (
            f"its branch has moved since, from {chosen.head[:10]} to {known[-1].head[:10]}: files would go "
            "back and the commits stay; -o FOLDER puts them elsewhere, --force does it all the same"
        )


def _preview(chosen: Snapshot, steps: list[Step]) -> list[str]:
    lines = [f"snapshot {chosen.number} of {chosen.at} ({chosen.why}): {len(steps)} to change"]
    for step in steps[:_MOST_SHOWN]:
        letter = "A" if step.before is None else "D" if step.after is None else "M"
        lines.append(f"  {letter} {printable(step.path)}")
    return lines + ([f"  and {len(steps) - _MOST_SHOWN} more"] if len(steps) > _MOST_SHOWN else [])


def _says_yes() -> bool:
    if not sys.stdin.isatty():
        return False
    return click.confirm("restore them?", default=False, err=True)


def _tell(agent: str, chosen: Snapshot, steps: list[Step], kept: Snapshot | None, *, as_json: bool) -> None:
    if as_json:
        told = {"agent": agent, "snapshot": chosen.number, "paths": [step.path for step in steps]}
        say_json({**told, "restored": kept is not None, "before": kept.number if kept else None})
    elif kept is not None:
        say(
            f"restored {agent} to snapshot {chosen.number}; what was there is snapshot {kept.number} "
            "(take it back with --redo)"
        )
    else:
        say("nothing was restored" if steps else "nothing differs")


def _list(tree: Tree, agent: str, *, as_json: bool) -> None:
    found = [*snapshots.every(tree.agent(agent))]
    size = Store(tree).size_bytes()
    if as_json:
        say_json({"agent": agent, "store_bytes": size, "snapshots": [_row(one) for one in found]})
        return
    if not found:
        raise BadInput(f"no snapshot of {agent}: it has no workspace of its own in which a model works")
    lines = [
        f"{one.number:>5}  {one.at[:19]}Z  {counted_files(one.files):>10}  {one.why}"
        + (f" ({one.call})" if one.call else "")
        + (f", {one.excluded} left out" if one.excluded else "")
        + (", settling" if one.settling else "")
        for one in found
    ]
    say("\n".join([*lines, f"all snapshots of this orchestration take {size / 1e6:.1f} MB"]))


def _row(one: Snapshot) -> dict[str, object]:
    return {name: getattr(one, name) for name in Snapshot.__dataclass_fields__}


def _collect(words: tuple[str, ...], *, as_json: bool) -> None:
    tree, _ = tree_of_words(words, 0, usage="files [DIR|ID] --gc")
    if not is_dir(tree.workspaces):
        raise BadInput(f"{name_of(tree)}: has no snapshots of files")
    with locks.held(tree.workspaces / "lock"):
        removed, freed = snapshots.collect(tree, read_specs(tree).specs.orchestration.keep)
    if as_json:
        say_json({"removed": removed, "freed_bytes": freed})
    else:
        say(f"{counted(removed, 'snapshot')} removed, {freed / 1e6:.1f} MB freed")
