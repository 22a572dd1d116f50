"""`bisect`: find the moment at which a check began to fail, and the step of which agent that was.

Each moment is laid out in a scratch folder; the orchestration itself is only read and may work on.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import click

from maos_sup.cli import edge, options
from maos_sup.cli.places import home, tree_at
from maos_sup.cli.says import say, say_aside, say_json
from maos_sup.core.bisection import BisectionVerdict
from maos_sup.cuts import store
from maos_sup.cuts.bisecting import Bisected, Looks, bisect
from maos_sup.cuts.record import TeamCut
from maos_sup.views.files import printable
from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.paths import Tree

SKIPPED, FIRST_UNFIT = 125, 128  # exit codes of a check, as git's
_MOST_SUSPECTS = 10


@click.command("bisect")
@options.directory
@click.option("--good", metavar="CHECKPOINT", required=True, help="One at which the check passes.")
@click.option("--bad", metavar="CHECKPOINT", default="latest", help="One at which it fails (latest).")
@click.option(
    "-o",
    "--out",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Where to lay out: a folder that is not there.",
)
@options.as_json
@click.argument("words", metavar="-- CMD...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    directory: str, *, good: str, bad: str, out: Path | None, words: tuple[str, ...], as_json: bool
) -> int:
    """Find the first moment at which CMD fails, by checkpoints and then line by line.

    CMD runs where you are, with {} in its words for the folder in which the moment is laid out, and that
    tree in MAOS_DIR. Exit code 0 is good, 125 cannot tell, others below 128 are bad; 128 and above, or a
    signal, ends the search, and the same command goes on with it. Ends with 0, or with 3 where it could not
    be narrowed down to one step.
    """
    tree = tree_at(directory)
    first, last = store.find(tree, good), store.find(tree, bad)
    if first.number >= last.number:
        raise BadInput(f"--good is checkpoint {first.label}, which is not older than {last.label}, the --bad")
    folder = (out or _scratch(tree, first, last, words)).absolute()
    looks = Looks(tree, folder, lambda place, name: _check(place, name, words))
    found = bisect(tree, first, last, looks)
    with suppress(OSError):
        looks.forget()
    if as_json:
        say_json(_json(found))
    else:
        say("\n".join(printable(line) for line in _lines(found)))
    return edge.OK if _is_sure(found) else edge.TASK_FAILED


def _scratch(tree: Tree, good: TeamCut, bad: TeamCut, words: tuple[str, ...]) -> Path:
    """Name a folder of this search alone: who repeats it goes on in it."""
    key = codec.encode([str(tree.root), good.number, bad.number, str(Path.cwd()), *words])
    return home() / ".bisect" / f"{tree.root.name}-{sha256(key).hexdigest()[:12]}"


def _check(folder: Path, name: str, words: tuple[str, ...]) -> BisectionVerdict:
    """Run the check on what is laid out in `folder`. Raises BadInput where it says nothing."""
    argv = [word.replace("{}", str(folder)) for word in words]
    environment = {**os.environ, "MAOS_DIR": str(folder / "tree")}
    try:
        code = subprocess.run(argv, env=environment, stdout=2, check=False).returncode
    except OSError as cause:
        raise BadInput(f"cannot start {argv[0]!r}: {cause.strerror}; give its path, or install it") from cause
    if code < 0 or code >= FIRST_UNFIT:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise BadInput(
            f"the check ended with {how} at {name}; mend it and repeat the command, it goes on here"
        )
    verdict = (
        BisectionVerdict.GOOD
        if code == 0
        else BisectionVerdict.SKIPPED
        if code == SKIPPED
        else BisectionVerdict.BAD
    )
    say_aside(f"{name}: {verdict.value} (exit code {code})")
    return verdict


def _is_sure(found: Bisected) -> bool:
    return not found.between and len(found.suspects) <= 1


def _lines(found: Bisected) -> list[str]:
    """Tell people what was found."""
    ends = f"checkpoint {found.good.label} is good, {found.bad.label} is bad"
    if found.between:
        ends += f"; {found.between} between them could not be checked"
    if not found.suspects:
        return [f"{ends}, and no agent wrote anything between them: spec/ or the mail of people differs"]
    if _is_sure(found):
        step = found.suspects[0]
        return [f"{step.agent}: {step.words} ({step.at}) is the first at which the check fails", ends]
    rows = [f"  {step.agent}: {step.words} ({step.at})" for step in found.suspects[:_MOST_SUSPECTS]]
    more = len(found.suspects) - len(rows)
    head = f"one of {len(found.suspects)} lines; the others between could not be checked:"
    return [head, *rows, *([f"  and {more} more (--json has all)"] if more else []), ends]


def _json(found: Bisected) -> dict[str, object]:
    """Tell what was found as one JSON object."""
    return {
        "good": found.good.number,
        "bad": found.bad.number,
        "sure": _is_sure(found),
        "looks": found.looks,
        "suspects": [
            {
                "agent": step.agent,
                "attempt": step.place.attempt,
                "seq": step.place.seq,
                "at": step.at,
                "what": step.words,
            }
            for step in found.suspects
        ],
    }
