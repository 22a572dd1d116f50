"""A tree that is moved or removed while it runs: everybody ends, and nothing is made again where it was."""

from __future__ import annotations

import shutil

from orchestra import Orchestra, wait_for

GATED = 'echo "begin $MAOS_ATTEMPT"; while [ ! -e "$OUT/go" ]; do sleep 0.1; done; echo end'
TALKING = 'while [ ! -e "$OUT/go" ]; do echo "found: it"; sleep 0.1; done'


def test_a_tree_that_is_moved_ends_here_and_goes_on_there(orchestra: Orchestra) -> None:
    orchestra.start({"quiet": GATED, "talking": TALKING})
    orchestra.wait_alive()
    there = orchestra.folder / "moved"
    orchestra.root.rename(there)
    wait_for(lambda: not orchestra.leftovers(), "everybody ended", deadline_s=60, told=orchestra.told)
    assert not orchestra.root.exists(), [*orchestra.root.rglob("*")]
    moved = Orchestra(orchestra.folder, root=there, id=orchestra.id)
    moved.resume()
    moved.say("go")
    moved.wait_rest("done", deadline_s=60)
    moved.assert_sound()


def test_a_tree_that_is_removed_stays_away(orchestra: Orchestra) -> None:
    orchestra.start({"quiet": GATED, "talking": TALKING})
    orchestra.wait_alive()

    def is_removed() -> bool:
        shutil.rmtree(orchestra.root, ignore_errors=True)
        return not orchestra.root.exists()

    wait_for(is_removed, "it was removed")
    wait_for(lambda: not orchestra.leftovers(), "everybody ended", deadline_s=60)
    assert not orchestra.root.exists(), [*orchestra.root.rglob("*")]
