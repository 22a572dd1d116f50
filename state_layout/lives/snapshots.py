"""Snapshots without keys whose values have the wrong type: `status.json` of agents and of the supervisor.

A snapshot is made anew from a journal by its writer, people and other tools may have put anything there, and
nothing may stop because of it. So a reader gets only what has the form that FORMAT.md gives it: what has not
is left out, as if it was not there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from state_layout.files import codec
from state_layout.files.reading import read_record
from state_layout.paths import is_name
from state_layout.records import TaskOutcome

if TYPE_CHECKING:
    from state_layout.records.snapshots import AgentSnapshot, ExitSnapshot, SupervisorSnapshot

_Test = Callable[[Any], bool]
_Sieve = Callable[[Any], Any]  # what of a value may be believed
_NOTHING = object()
MOST = 1 << 62


def read_snapshot(path: Path) -> dict[str, object] | None:
    """Read the JSON object in `path`, unchecked; None if it is missing, no file, or none."""
    try:
        return codec.decode_object(read_record(path))
    except (OSError, codec.NotJson):
        return None


def agent_snapshot(value: Mapping[str, object] | None) -> AgentSnapshot:
    """Drop the keys of an agent's snapshot whose values have the wrong type; {} of none."""
    return cast("AgentSnapshot", _sound(value or {}, _AGENT))


def supervisor_snapshot(value: Mapping[str, object] | None) -> SupervisorSnapshot:
    """Drop the keys of a supervisor's snapshot whose values have the wrong type; {} of none."""
    return cast("SupervisorSnapshot", _sound(value or {}, _SUPERVISOR))


def exit_snapshot(value: Mapping[str, object] | None) -> ExitSnapshot | None:
    """Drop the keys of an `exit.json` whose values have the wrong type; None of none."""
    return None if value is None else cast("ExitSnapshot", _sound(value, _EXIT))


def _sound(value: Mapping[str, object], sieves: dict[str, _Sieve]) -> dict[str, object]:
    sifted = {key: sieves[key](item) if key in sieves else item for key, item in value.items()}
    return {key: item for key, item in sifted.items() if item is not _NOTHING}


# -- tests of values


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < MOST


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_number_or_none(value: Any) -> bool:
    return value is None or _is_number(value)


def _is_whole_or_none(value: Any) -> bool:
    return value is None or (type(value) is int and abs(value) < MOST)


def _is_moment(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _is_mark(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and _is_count(value[0]) and _is_count(value[1])


def _one(test: _Test) -> _Sieve:
    return lambda value: value if test(value) else _NOTHING


def _list_of(test: _Test) -> _Sieve:
    return lambda value: [*filter(test, value)] if isinstance(value, list) else _NOTHING


def _map_of(test: _Test) -> _Sieve:
    def sift(value: Any) -> Any:
        if not isinstance(value, dict):
            return _NOTHING
        return {key: item for key, item in value.items() if test(item)}

    return sift


def _has(tests: dict[str, _Test], *required: str) -> _Test:
    def test(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and all(key in value for key in required)
            and all(tests[key](item) for key, item in value.items() if key in tests)
        )

    return test


def _is_task(value: Any) -> bool:
    try:
        TaskOutcome.from_json(value)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return True


_QUESTION: dict[str, _Test] = {
    "id": lambda id_: isinstance(id_, str) and is_name(id_),
    "task": _is_text,
    "at": _is_moment,
}
_CHANGED: dict[str, _Test] = {
    **dict.fromkeys(("files", "added", "removed"), _is_count),
    "branch": _is_text,
    "paths": lambda paths: isinstance(paths, list) and all(map(_is_text, paths)),
}
_OF_AGENT: dict[str, _Test] = {
    "phase": _is_text,
    "attempt": _is_count,
    "restarts": _is_count,
    "reason": _is_text_or_none,
    "next_start_in_s": _is_number_or_none,
    "where": _is_text,
}
_OF_TASK: dict[str, _Test] = {"phase": _is_text, "run": _is_count, "reason": _is_text_or_none}
_AGENT: dict[str, _Sieve] = {
    **dict.fromkeys(("agent", "kind", "at", "phase"), _one(_is_text)),
    **dict.fromkeys(("reason", "task", "note", "last_discovery"), _one(_is_text_or_none)),
    **dict.fromkeys(("attempt", "seq", "run"), _one(_is_count)),
    **dict.fromkeys(("sent", "received", "discoveries", "tokens", "gains"), _one(_is_count)),
    "progress": _one(_is_number_or_none),
    "cost_usd": _one(_is_number),
    "artifacts": _list_of(_is_text),
    "tasks": _map_of(_is_task),
    "figures": _map_of(_is_number),
    "marks": _map_of(_is_count),
    "mail_marks": _map_of(_is_mark),
    "questions": _list_of(_has(_QUESTION, *_QUESTION)),
    "changed": _one(_has(_CHANGED, *_CHANGED)),
    "answers": _list_of(_has({"id": _is_text, "reply": _is_text_or_none}, "id", "answer")),
}
_SUPERVISOR: dict[str, _Sieve] = {
    **dict.fromkeys(("phase", "at"), _one(_is_text)),
    "life": _one(_is_count),
    "specs": _map_of(_is_text),
    "spec_errors": _list_of(_has({"path": _is_text, "text": _is_text}, "path", "text")),
    "agents": _map_of(_has(_OF_AGENT)),
    "tasks": _map_of(_has(_OF_TASK)),
    "notes": _list_of(_is_text),
}
_EXIT: dict[str, _Sieve] = {
    **dict.fromkeys(("by", "reason", "at", "h"), _one(_is_text)),
    **dict.fromkeys(("task", "detail"), _one(_is_text_or_none)),
    **dict.fromkeys(("exit_code", "signal", "synced_seq"), _one(_is_whole_or_none)),
    "attempt": _one(_is_count),
}
