"""Says what is wrong with the sessions of an agent of kind `claude`, for `check`. Looks only."""

from __future__ import annotations

from collections.abc import Iterator

from maos_sup.agents.kinds.claude.transcript import GAP, Transcript, again
from maos_sup.agents.kinds.shared.prompts import message_uuid
from state_layout.check.problem import CATALOGUE, Finding, Problem, as_note
from state_layout.files.looking import is_link, is_regular
from state_layout.paths import Tree

_TOLD = "the task was told again; nothing is left to do"


def session_problems(tree: Tree, agent: str) -> Iterator[Problem]:
    """Yield the damage in transcripts that would have the model forget. Raises StorageError."""
    session = tree.agent(agent).session
    for path in sorted((session / "projects").glob("*/*.jsonl")):
        if is_link(path) or not is_regular(path) or is_link(path.parent):
            continue
        transcript = Transcript(session, path.stem)
        transcript.refresh()
        gap = transcript.talk.gap()
        if gap is None:
            continue
        is_told = _is_session(path.stem) and message_uuid(path.stem, again(gap)) in transcript.talk.seen
        entry = as_note(Finding.SESSION_GAP, _TOLD) if is_told else CATALOGUE[Finding.SESSION_GAP]
        yield Problem(
            finding=Finding.SESSION_GAP,
            path=tree.shown(path).encode("utf-8", "backslashreplace").decode(),
            line=gap.line,
            what=GAP,
            remedy=entry.remedy,
            severity=entry.severity,
            is_repairable=False,
        )


def _is_session(name: str) -> bool:
    try:
        return bool(message_uuid(name, ""))
    except ValueError:
        return False
