"""Remove the checkpoints that the rule in `spec/` does not keep. No record goes with them."""

from __future__ import annotations

from maos_sup.core.keeping import to_remove
from maos_sup.cuts import store
from maos_sup.cuts.record import TeamCut
from state_layout.paths import Tree
from state_layout.records import Keep


def thinned(tree: Tree, rule: Keep) -> list[TeamCut]:
    """The checkpoints that `rule` does not keep. Only looks. Raises StorageError."""
    cuts, _ = store.all_cuts(tree)
    kept = [cut.number for cut in cuts if cut.is_kept]
    gone = set(to_remove([(cut.number, cut.at) for cut in cuts], kept=kept, rule=rule))
    return [cut for cut in cuts if cut.number in gone]


def thin(tree: Tree, rule: Keep) -> list[TeamCut]:
    """Remove what `rule` does not keep; what was removed. Raises StorageError."""
    gone = thinned(tree, rule)
    if gone:
        store.remove(tree, gone)
    return gone
