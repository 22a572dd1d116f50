"""Claude Code waits for us after each tool, so what is kept then is what the call left."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from coding import Coding, bash, steps

from maos_sup.loopback.reply import say
from maos_sup.workspaces import snapshots
from maos_sup.workspaces.store import Store

pytestmark = pytest.mark.timeout(300)


def test_files_are_kept_after_each_call(code: Callable[..., Coding]) -> None:
    one = code(steps(bash("echo 1 > a"), bash("echo 2 > a"), say("done")))
    assert one.run() == 0, one.told()
    paths, store = one.stage.tree.agent("ann"), Store(one.stage.tree)
    calls = [call["id"] for call in one.all_lines("ann", "tool_call")]
    kept = [each for each in snapshots.every(paths) if each.call is not None]
    assert [(each.call, each.why, each.settling) for each in kept] == [
        (call, "after Bash", False) for call in calls
    ]
    contents = [store.get(snapshots.manifest_of(store, each).entries["a"].object) for each in kept]
    assert contents == [b"1\n", b"2\n"]
    before = snapshots.before_call(paths, calls[1])
    assert before is not None
    assert before.number == kept[0].number
