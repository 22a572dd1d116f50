"""Damage to shared scopes: chains, the order of all lines, and changes that were lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from check_case import TORN, Case

from state_layout.files.journal import Journal
from state_layout.scopes.store import ScopeStore

PLACE = "state/orchestration"
ALICE, BOB = f"{PLACE}/alice.jsonl", f"{PLACE}/bob.jsonl"


def written(root: Path) -> None:
    """alice, bob and a person change one key in turn."""
    for number, writer in enumerate(("alice", "bob", "operator", "alice")):
        store = ScopeStore(root / PLACE, writer)
        store.put("n", number, token=f"{number}")
        store.close()


def then(damage: Callable[[Path], object]) -> Callable[[Path], None]:
    def do(root: Path) -> None:
        written(root)
        damage(root)

    return do


def added(path: Path, **fields: object) -> None:
    """A line that fits its chain, written by somebody who does not keep to the rules."""
    journal = Journal.open(path)
    journal.commit(str(fields.pop("type", "put")), fields)
    journal.close()


def last_version(path: Path, line: int) -> list[object]:
    raw = path.read_bytes().splitlines()[line]
    return [path.stem, line + 1, raw[-14:-2].decode()]


SHARED_CASES = (
    Case("shared state is whole", then(lambda root: None), ()),
    Case(
        "a value was edited by hand",
        then(
            lambda root: (root / BOB).write_bytes(
                (root / BOB).read_bytes().replace(b'"value":1', b'"value":7')
            )
        ),
        (f"problem edited {BOB}:1",),
    ),
    Case(
        "a writer died in the middle of a line",
        then(lambda root: (root / BOB).write_bytes((root / BOB).read_bytes() + TORN)),
        (f"note torn {BOB}:2",),
        (),
    ),
    Case(
        "somebody wrote over what he had not seen",
        then(lambda root: added(root / BOB, n=5, key="n", value=9, over=last_version(root / ALICE, 0))),
        (f"problem lost_change {BOB}:2",),
    ),
    Case(
        "somebody wrote without looking",
        then(lambda root: added(root / BOB, n=5, key="n", value=9)),
        (f"problem lost_change {BOB}:2",),
    ),
    Case(
        "what a line took the place of is gone",
        then(lambda root: (root / BOB).unlink()),
        (f"problem cut_short {PLACE}/operator.jsonl:1",),
    ),
    Case(
        "two lines have one number",
        then(lambda root: added(root / BOB, n=4, key="other", value=9)),
        (f"problem bad_record {BOB}:2",),
    ),
    Case(
        "a line of shared state is none",
        then(lambda root: added(root / BOB, n=5, key="n", type="paint")),
        (f"problem bad_record {BOB}:2",),
    ),
    Case(
        "somebody wrote who is no agent",
        then(lambda root: (root / BOB).rename(root / PLACE / "zoe.jsonl")),
        (
            f"problem cut_short {PLACE}/operator.jsonl:1",
            f"problem unknown_agent {PLACE}/zoe.jsonl",
        ),
    ),
)
