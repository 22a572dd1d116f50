"""The first lines of an agent's lives, and which lives count: from the newest one back, pin by pin."""

from __future__ import annotations

from dataclasses import dataclass

from state_layout.check.problem import Finding, as_note
from state_layout.check.scan import AS_IN_A_COPY, FileScan
from state_layout.check.scene import Scene
from state_layout.files.chain import Line
from state_layout.lives.attempts import list_attempts
from state_layout.paths import number_name


@dataclass(frozen=True, slots=True, kw_only=True)
class PinSeen:
    """A life continues from this line."""

    attempt: int
    seq: int
    h: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """A birth is the beginning of a life; `pin` is None for the first one."""

    number: int
    seq: int  # of its first line
    pin: PinSeen | None
    is_rewind: bool = False  # begun by a rollback, to pin what it went back to


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The standing says what later lives make of one: `end` is where its successor pinned it, None for the
    last."""

    end: PinSeen | None = None
    successor: int | None = None
    is_void: bool = False
    is_taken_back: bool = False  # what counts for nothing was taken back by a rollback


def attempt_numbers(scene: Scene, agent: str) -> list[int]:
    """The lives of `agent` that have a folder of their own."""
    paths = scene.tree.agent(agent)
    if not scene.is_folder(paths.attempts):
        return []
    numbers: list[int] = []
    with scene.reading(paths.attempts):
        numbers = list_attempts(paths)
    return [number for number in numbers if scene.is_folder(paths.attempts / number_name(number))]


def read_birth(scene: Scene, agent: str, number: int) -> Birth | None:
    """Read how life `number` began, None if it did not; report a first line that is no start."""
    paths = scene.tree.agent(agent).attempt(number)
    line = next(iter(FileScan(scene, paths.journal)), None)
    if line is None:
        return None
    try:
        birth = _birth(agent, number, line)
    except (ValueError, KeyError, TypeError) as cause:
        what = f"does not begin this life: {cause or 'not as FORMAT.md says'}"
        scene.report(Finding.BAD_RECORD, paths.journal, line=1, what=what)
        return None
    expected = birth.pin.seq + 1 if birth.pin else 1
    if birth.seq != expected:
        what = f"begins with seq {birth.seq} where {expected} follows what it continues from"
        scene.report(Finding.BAD_RECORD, paths.journal, line=1, what=what)
    return birth


def standings(scene: Scene, agent: str, births: dict[int, Birth]) -> dict[int, Standing]:
    """Find what each life that began counts for; report a pinned life that is missing."""
    rewinds = [number for number, birth in births.items() if birth.is_rewind]
    last = max(rewinds, default=0)
    found = {number: Standing(is_void=True, is_taken_back=number < last) for number in births}
    number, standing = max(births, default=0), Standing()
    while number in births:
        found[number] = standing
        pin = births[number].pin
        if pin is None:
            return found
        if pin.attempt not in births:
            _report_missing(scene, agent, number, pin)
            return found
        taken_back = births[number].is_rewind
        number, standing = pin.attempt, Standing(end=pin, successor=number, is_taken_back=taken_back)
    return found


def _birth(agent: str, number: int, line: Line) -> Birth:
    fields = line.fields()
    if fields["type"] != "start":
        raise ValueError(f"its type is {fields['type']!r}, not 'start'")
    if (fields["agent"], fields["attempt"]) != (agent, number):
        raise ValueError(f"it is the start of attempt {fields['attempt']} of {fields['agent']}")
    pin = fields["pin"]
    if pin is not None:
        pin = PinSeen(attempt=int(pin["attempt"]), seq=int(pin["seq"]), h=str(pin["h"]))
        if not 0 < pin.attempt < number:
            raise ValueError(f"it continues from attempt {pin.attempt}")
    return Birth(number=number, seq=line.seq, pin=pin, is_rewind="rewound" in fields)


def _report_missing(scene: Scene, agent: str, number: int, pin: PinSeen) -> None:
    """A copy may find the folder of a life just made, or its journal without a line; nothing else may."""
    before = scene.tree.agent(agent).attempt(pin.attempt)
    path = scene.tree.agent(agent).attempt(number).journal
    if scene.is_file(before.journal) or (scene.is_folder(before.root) and not scene.names(before.root)):
        what = f"continues from attempt {pin.attempt}, whose journal has no first line"
        said = as_note(Finding.CUT_SHORT, AS_IN_A_COPY) if scene.is_copy else None
        scene.report(Finding.CUT_SHORT, path, line=1, what=what, said=said)
        return
    what = f"continues from attempt {pin.attempt}, which is not there"
    scene.report(Finding.ATTEMPT_MISSING, path, line=1, what=what)
