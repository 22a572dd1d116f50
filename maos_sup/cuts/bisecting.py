"""Find the first moment at which a check fails: among the checkpoints first, then line by line between two.

What was looked at is kept in `looks.json` of the scratch folder, replaced after each look: killed at any
instant, the same search goes on where it was. The orchestration itself is only read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from maos_sup.core.bisection import BisectionVerdict, bounds, next_look
from maos_sup.cuts import store
from maos_sup.cuts.between import HistoryStep, Past, cut_after
from maos_sup.cuts.laying_out import clear, lay_out
from maos_sup.cuts.record import TeamCut
from state_layout.errors import BadInput
from state_layout.files import atomic, codec
from state_layout.files.looking import exists, is_dir
from state_layout.files.reading import read_record
from state_layout.paths import Tree

Check = Callable[[Path, str], BisectionVerdict]  # the folder that holds the moment, what it is called


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisected:
    """Between which moments the check began to fail. `suspects`: lines that may be it; one, if it is sure."""

    good: TeamCut
    bad: TeamCut
    suspects: Sequence[HistoryStep]
    between: int  # checkpoints between `good` and `bad` that could not be checked
    looks: int


class Looks:
    """Remembers what was looked at so far, by the name of each moment, in a file in `folder`."""

    def __init__(self, tree: Tree, folder: Path, check: Check) -> None:
        """Raises BadInput for a folder that is somebody's: all that a search makes is removed again."""
        self._tree, self._folder, self._check = tree, folder, check
        self._path = folder / "looks.json"
        self._known: dict[str, BisectionVerdict] = {}
        try:
            told = codec.decode_object(read_record(self._path))
            self._known = {name: BisectionVerdict(word) for name, word in told.items()}
        except FileNotFoundError:
            if not _is_free(folder):
                raise BadInput(f"{folder}: is not empty; name a folder that is not there") from None
            atomic.make_folder(folder)
            self._keep()
        except (OSError, ValueError) as cause:
            raise BadInput(f"{self._path}: was not written by bisect; name another folder") from cause

    @property
    def count(self) -> int:
        """Count the moments that were looked at."""
        return len(self._known)

    def at(self, name: str, cut: TeamCut) -> BisectionVerdict:
        """Ask the check once about `cut`, which is called `name`. Raises as `lay_out` does."""
        if name not in self._known:
            lay_out(self._tree, cut, self._folder)
            self._known[name] = self._check(self._folder, name)
            self._keep()
        return self._known[name]

    def forget(self) -> None:
        """Remove what was laid out and what was looked at; nothing else that may lie there."""
        clear(self._folder)
        self._path.unlink(missing_ok=True)
        with suppress(OSError):
            self._folder.rmdir()

    def _keep(self) -> None:
        atomic.replace(self._path, codec.encode_pretty(self._known))


def _is_free(folder: Path) -> bool:
    """Nothing is there, or nothing but what a search left that was killed at its beginning."""
    if not exists(folder):
        return True
    return is_dir(folder) and all(atomic.is_temporary(path.name) for path in folder.iterdir())


def bisect(tree: Tree, good: TeamCut, bad: TeamCut, looks: Looks) -> Bisected:
    """Find where the check of `looks` began to fail. Raises BadInput if it did not, Damaged, StorageError.

    The number of looks is the logarithm of the checkpoints and lines between, and two.
    """
    past = Past(tree, bad)
    past.after(good)
    cuts = [cut for cut in store.all_cuts(tree)[0] if good.number < cut.number < bad.number]
    cuts = [good, *(cut for cut in cuts if past.holds(cut)), bad]
    for cut, wanted in ((good, BisectionVerdict.GOOD), (bad, BisectionVerdict.BAD)):
        if looks.at(_name(cut), cut) is not wanted:
            raise BadInput(f"the check does not call checkpoint {cut.label} {wanted.value}; name another one")
    first, last = _narrowed(len(cuts) - 1, lambda number: looks.at(_name(cuts[number]), cuts[number]))
    good, bad = cuts[first], cuts[last]
    steps = Past(tree, bad).after(good)

    def look(count: int) -> BisectionVerdict:
        return looks.at(f"{_name(good)} and {count} lines", cut_after(good, bad, steps[:count]))

    first_line, last_line = _narrowed(len(steps), look) if steps else (0, 0)
    return Bisected(
        good=good,
        bad=bad,
        suspects=steps[first_line:last_line],
        between=last - first - 1,
        looks=looks.count,
    )


def _narrowed(last: int, look: Callable[[int], BisectionVerdict]) -> tuple[int, int]:
    """The last good and the first bad of the moments 0 to `last`, as far as `look` can tell them apart."""
    verdicts = {0: BisectionVerdict.GOOD, last: BisectionVerdict.BAD}
    while (number := next_look(last, verdicts)) is not None:
        verdicts[number] = look(number)
    return bounds(last, verdicts)


def _name(cut: TeamCut) -> str:
    return f"checkpoint {cut.number}"
