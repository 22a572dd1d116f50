"""What has to stand in several places stands in all of them; docs/architecture.md, "How to add", names them.

A key of a spec is declared, read and described; a key of a snapshot is declared and sifted; a column of the
live view has its worth and its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import state_layout
from maos_sup.views.screen import rows
from maos_sup.views.screen.state import Look
from state_layout.lives.snapshots import agent_snapshot, exit_snapshot, supervisor_snapshot
from state_layout.records import AgentSpec, snapshots
from state_layout.shapes.shape import Shape
from state_layout.specs.placement import PLACEMENT
from state_layout.specs.tables import AGENT, ORCHESTRATION, TASK, WORKSPACE

FORMAT = (Path(state_layout.__file__).parent / "FORMAT.md").read_text(encoding="utf-8")
SHARED = {*WORKSPACE, *PLACEMENT}  # what an agent does not say the orchestration does
GUIDE = "see 'How to add' in docs/architecture.md"


def section(heading: str) -> str:
    """Give what FORMAT.md says under one heading."""
    return FORMAT.split(f"\n### {heading}\n", 1)[1].split("\n### ", 1)[0]


@pytest.mark.parametrize(
    ("heading", "shape"),
    [
        ("spec/orchestration.json", ORCHESTRATION),
        ("spec/agents/&lt;agent&gt;.json", AGENT),
        ("spec/tasks/&lt;task&gt;.json", TASK),
    ],
)
def test_every_key_of_a_spec_is_described_in_the_format(heading: str, shape: Shape) -> None:
    words = set(re.findall(r"\w+", section(heading)))
    missing = sorted(shape.fields.keys() - words)
    assert not missing, f"FORMAT.md, {heading}: does not name {', '.join(missing)}; {GUIDE}"


def test_no_key_of_an_agents_spec_is_taken_for_a_setting_of_its_kind() -> None:
    taken = list[str]()
    for key in AGENT.fields:
        with suppress(TypeError, ValueError):  # refused, so it is read
            taken += AgentSpec.from_json("a", {"kind": "command"} | {key: None}).settings
    assert not taken, f"records/wants.py: AgentSpec.from_json lacks {', '.join(taken)} in `own`; {GUIDE}"


def test_the_default_that_is_explained_is_the_one_in_force() -> None:
    spec = AgentSpec.from_json("a", {"kind": "command"})
    told = {
        key: field.default
        for key, field in AGENT.fields.items()
        if isinstance(field.default, str | float | list) and hasattr(spec, key) and key not in SHARED
    }
    in_force = {key: getattr(spec, key) for key in told}
    assert len(told) > 3
    assert told == {key: [*value] if isinstance(value, tuple) else value for key, value in in_force.items()}


@pytest.mark.parametrize(
    ("record", "sift"),
    [
        (snapshots.AgentSnapshot, agent_snapshot),
        (snapshots.SupervisorSnapshot, supervisor_snapshot),
        (snapshots.ExitSnapshot, exit_snapshot),
    ],
    ids=lambda item: item.__name__,
)
def test_every_key_of_a_snapshot_is_sifted(
    record: type, sift: Callable[[Mapping[str, object]], Mapping[str, object] | None]
) -> None:
    nothing = object()  # of no form that a snapshot can have
    believed = [key for key in record.__annotations__ if sift({key: nothing}) != {}]
    assert not believed, (
        f"lives/snapshots.py: no sieve for {', '.join(believed)} of {record.__name__}; {GUIDE}"
    )


@pytest.mark.parametrize("key", snapshots.SupervisedAgent.__annotations__)
def test_every_key_of_a_supervised_agent_is_sifted(key: str) -> None:
    told = supervisor_snapshot({"agents": {"a": {key: object()}}})
    assert told == {"agents": {}}, f"lives/snapshots.py: no test for {key} in _OF_AGENT; {GUIDE}"


def test_every_column_of_the_view_has_its_place() -> None:
    status: Any = {"agents": [], "tasks": []}
    heads = [column.head for column in rows._offers(Look(status=status, name="x"), [])]
    assert sorted(heads) == sorted(rows._PLACES), f"views/screen/rows.py: _offers and _PLACES differ; {GUIDE}"
