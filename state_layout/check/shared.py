"""Shared scopes: each writer's chain, one order over all of them, and no change that was lost.

A line names the version that it took the place of. So from the lines alone follows, key by key, that nobody
wrote over what he had not seen: where the chain of versions has a gap, or two lines follow one, it is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from state_layout.check.problem import Finding, as_note
from state_layout.check.scan import FileScan, ScanBounds, judge, judge_end
from state_layout.check.scene import Scene
from state_layout.paths import RESERVED
from state_layout.scopes.lines import DELETE, Version, version_of
from state_layout.scopes.names import folders_in
from state_layout.scopes.store import SUFFIX

_VOID = ".void-"
Stored = Mapping[str, Mapping[str, int]]  # by agent and scope, what its journal says it stored


class _Line(NamedTuple):
    n: int
    version: Version
    number: int  # of the line in its file
    key: str
    over: Version | None
    is_delete: bool


def check_shared(scene: Scene, stored: Stored) -> None:
    """Check every shared scope of the tree."""
    for scope, folder in folders_in(scene.tree):
        names = [name for name in scene.names(folder) if name.endswith(SUFFIX) and not name.startswith(".")]
        scans = {name.removesuffix(SUFFIX): FileScan(scene, folder / name) for name in names}
        lines = sorted(line for writer, scan in scans.items() for line in _lines(scene, writer, scan))
        floors = dict[str, int]()
        for line in lines:
            if line.over is not None:  # it was durable, or it could not have been replaced
                floors[line.over.writer] = max(line.over.seq, floors.get(line.over.writer, 0))
        damaged = set[str]()
        for writer, scan in scans.items():
            said = stored.get(writer, {}).get(str(scope), 0)
            if not _is_whole(scene, writer, scan, floor=floors.get(writer, 0), said=said):
                damaged.add(writer)
        _check_versions(scene, folder, lines, damaged)


def _lines(scene: Scene, writer: str, scan: FileScan) -> list[_Line]:
    found, is_bad, n = list[_Line](), False, 0
    if writer not in scene.agents and writer not in RESERVED:
        what = f"is what {writer!r} wrote, who is no agent of this tree"
        scene.report(Finding.UNKNOWN_AGENT, scan.path, what=what)
    for line in scan:
        try:
            told = _told(line.fields(), Version(writer, line.seq, line.end.h), scan.line)
            fault = f"has n {told.n} after {n}" if told.n <= n else None
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            told, fault = None, f"is whole but not as FORMAT.md says ({type(cause).__name__}: {cause})"
        if fault is not None and not is_bad:
            scene.report(Finding.BAD_RECORD, scan.path, line=scan.line, what=fault)
            is_bad = True
        if told is not None:
            n = told.n
            found.append(told)
    return found


def _is_whole(scene: Scene, writer: str, scan: FileScan, *, floor: int, said: int) -> bool:
    """Judge whether the file has all that others rely on; its writer's journal names it up to `said`."""
    lives = partial(scene.lives, writer) if writer in scene.agents else lambda: False
    bounds = ScanBounds(floor=max(floor, said), is_continued=True)
    if scan.damage is not None and not judge(scene, scan, bounds, is_written=lives):
        return False
    why = f"the journal of {writer} says that it wrote"
    return judge_end(scene, scan, floor=said, why=why) and scan.damage is None


def _told(fields: Mapping[str, Any], version: Version, number: int) -> _Line:
    if fields["type"] not in ("put", "delete") or (fields["type"] == "put") != ("value" in fields):
        raise ValueError(f"type {fields['type']!r}")
    return _Line(
        n=int(fields["n"]),
        version=version,
        number=number,
        key=str(fields["key"]),
        over=version_of(fields.get("over")),
        is_delete=fields["type"] == DELETE,
    )


def _check_versions(scene: Scene, folder: Path, lines: list[_Line], damaged: set[str]) -> None:
    """Follow each key from version to version."""
    known = {line.version for line in lines}
    is_excused = scene.is_copy or any(_VOID in name for name in scene.names(folder))
    last, n = dict[str, Version | None](), 0
    for line in lines:
        path = folder / f"{line.version.writer}{SUFFIX}"
        if line.n == n:
            what = f"has n {n}, as another line has: they were not written one after the other"
            scene.report(Finding.BAD_RECORD, path, line=line.number, what=what)
        before = last.get(line.key)
        if line.over != before and (line.over is None or line.over in known):
            if not is_excused:
                what = f"took the place of {line.over or 'nothing'}, but {before or 'nothing'} was there: "
                what += f"a change of {line.key!r} was lost"
                scene.report(Finding.LOST_CHANGE, path, line=line.number, what=what)
        elif line.over != before and (line.over is None or line.over.writer not in damaged):
            what = f"took the place of {line.over}, which is there no more"
            said = as_note(Finding.CUT_SHORT, "a rollback or a copy took it") if is_excused else None
            scene.report(Finding.CUT_SHORT, path, line=line.number, what=what, said=said)
        last[line.key], n = None if line.is_delete else line.version, line.n
