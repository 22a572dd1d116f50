"""The lives of supervisors: chains, and each continuing from the end of the one before."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from state_layout.check.moments import check_moments
from state_layout.check.problem import CATALOGUE, Finding, as_note
from state_layout.check.scan import AS_IN_A_COPY, FileScan, ScanBounds, judge
from state_layout.check.scene import Scene
from state_layout.files.chain import Line
from state_layout.lives.history import Mark
from state_layout.paths import is_name, number_name

_LIVES_ON = (
    "one lives and still knows them, but forgets when it ends: its successor begins anew, agents keep what "
    "they did; pause, and restore supervisor/ from a copy, if restarts and tasks given up are to count on"
)


@dataclass(slots=True, kw_only=True)
class _Life:
    number: int
    path: Path
    ended: dict[str, int] = field(default_factory=dict)  # by agent, the last attempt seen to end in order
    pin: dict[str, object] | None = None
    last: Mark = (0, 0, "")
    backs: list[int] = field(default_factory=list)  # checkpoints of what was before a rollback


def check_supervisor(scene: Scene) -> None:
    """Check the journals of all lives of the supervisor."""
    _check_presence(scene)
    names = [name for name in scene.names(scene.tree.lives) if name.isdecimal() and len(name) >= 4]
    before: dict[int, _Life] = {}
    for name in sorted(names, key=int):
        life = _Life(number=int(name), path=scene.tree.lives / name / "journal.jsonl")
        is_last = name == max(names, key=int)
        _scan(scene, life, is_last=is_last)
        if life.pin is not None:
            _check_pin(scene, life, before)
        before[life.number] = life
    _check_ended(scene, before.values())
    check_moments(scene, [back for life in before.values() for back in life.backs])


def _check_presence(scene: Scene) -> None:
    """Attempts are begun for a supervisor: where there are some, it has journals."""
    lives = scene.tree.lives
    if scene.is_hidden(lives / "any") or scene.names(lives):
        return
    begun = [agent for agent in scene.agents if scene.names(scene.tree.agent(agent).attempts)]
    if begun:
        what = f"holds no journal of a supervisor, but {begun[0]} was started by one"
        said = CATALOGUE[Finding.LIVES_MISSING]
        if scene.is_supervised():  # it still knows what it did, but what it writes goes nowhere
            said = said._replace(remedy=_LIVES_ON)
        scene.report(Finding.LIVES_MISSING, lives, what=what, said=said)


def _check_ended(scene: Scene, lives: Iterable[_Life]) -> None:
    """Check that the last attempt a supervisor saw end is there: nothing else tells that it was taken
    away."""
    ended: dict[str, int] = {}
    for life in lives:
        ended |= {agent: max(number, ended.get(agent, 0)) for agent, number in life.ended.items()}
    for agent, number in ended.items():
        attempts = scene.tree.agent(agent).attempts
        if (
            is_name(agent)
            and not scene.is_folder(attempts / number_name(number))
            and not scene.is_hidden(attempts / "any")
        ):
            what = f"has no attempt {number}, but a supervisor saw it end"
            said = as_note(Finding.ATTEMPT_MISSING, AS_IN_A_COPY) if scene.is_copy else None
            scene.report(Finding.ATTEMPT_MISSING, attempts, what=what, said=said)


def _scan(scene: Scene, life: _Life, *, is_last: bool) -> None:
    scan = FileScan(scene, life.path)
    is_reported = False
    for line in scan:
        wrong = _begin(life, line) if scan.line == 1 else _take(life, line)
        if wrong is None and line.seq != scan.line:
            wrong = f"has seq {line.seq} where {scan.line} follows"
        if wrong is not None and not is_reported:
            is_reported = True
            scene.report(Finding.BAD_RECORD, life.path, line=scan.line, what=wrong)
    life.last = (scan.position.seq, scan.position.offset, scan.position.h)
    judge(scene, scan, ScanBounds(is_void=not is_last), is_written=scene.is_supervised)


def _begin(life: _Life, line: Line) -> str | None:
    """Take in the first line; what is wrong with it, if anything."""
    try:
        fields = line.fields()
        if (fields["type"], fields["life"]) != ("start", life.number):
            return f"does not begin this life: it is {fields['type']!r} of life {fields['life']!r}"
        if fields["pin"] is not None:
            pin = fields["pin"]
            life.pin = {"life": int(pin["life"]), "seq": int(pin["seq"]), "h": str(pin["h"])}
    except (ValueError, KeyError, TypeError) as cause:
        return f"does not begin this life: {cause!r}"
    return None


def _take(life: _Life, line: Line) -> str | None:
    """Take in who ended; what is wrong with the line, if anything."""
    if b'"type":"acknowledged"' in line.raw:
        try:
            fields = line.fields()
            life.ended[str(fields["agent"])] = int(fields["attempt"])
        except (ValueError, KeyError, TypeError) as cause:
            return f"is whole but not as FORMAT.md says ({cause!r})"
    elif b'"type":"rewound"' in line.raw:
        with suppress(ValueError, KeyError, TypeError):
            life.backs.append(int(line.fields()["back"]))
    return None


def _check_pin(scene: Scene, life: _Life, before: dict[int, _Life]) -> None:
    """It must be the last line of an earlier life."""
    pin = life.pin or {}
    earlier = before.get(int(str(pin["life"])))
    what = f"continues from life {pin['life']} at seq {pin['seq']}"
    if earlier is None:
        what += ", which is not there"
    elif (earlier.last[0], earlier.last[2]) != (pin["seq"], pin["h"]):
        what += f", which ends at {earlier.last[0]}"
    else:
        return
    remedy = "nothing is lost: it carried on what it knew"
    scene.report(Finding.PIN_BROKEN, life.path, line=1, what=what, said=as_note(Finding.PIN_BROKEN, remedy))
