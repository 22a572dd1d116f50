"""The real thing after a cut: `maos-sup resume` with real processes, to the end.

What was done outside before the cut, and what is asked of the model, is held against what is done after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from maos_sup.loopback.request import LoopbackRequest
from state_layout.files import codec
from state_layout.lives.attempts import all_lines
from state_layout.paths import Tree

from ..after import AFTER_RECOVERY
from ..history import read_history
from ..promises import Found, broken
from ..recorder import append, read
from ..truth import Truth
from .orchestration import MODEL, Team, model_server

ONCE = ("done outside", "tool")


def resume_to_the_end(root: Path, truth: Truth, at: int, fates: dict[str, str]) -> list[tuple[str, str]]:
    """Resume the tree at `root`, which a cut before record `at` left; the promises that are broken then."""
    made = next(truth.told("made", at), None)
    if made is None:  # a slow machine was cut before there was a team
        return []
    agents, tree = [*made[0]], Tree(root)
    folder, log = root.with_name("outside"), root.with_name("resumed.log")
    folder.mkdir()
    answers = _answers(tree) if MODEL in agents else 0
    team = Team(folder, root=root, log=log)
    try:
        with model_server(_told_to(log)) as url:
            if MODEL in agents:
                _point_at(tree, url)
            team.resume()
            team.wait_rest("done", deadline_s=60)
    finally:
        team.end_all()
    after = Truth.of(read_history(read(log), root))
    found = Found(tree, truth, at, agents, fates, is_recovered=True)
    return [*broken(AFTER_RECOVERY, found), *_doubled(truth, at, after, answers)]


def _doubled(truth: Truth, at: int, after: Truth, answers: int) -> Iterator[tuple[str, str]]:
    end = after.history.length
    for what in ONCE:
        again = {*truth.told(what, at)} & {*after.told(what, end)}
        for deed in again:
            yield "no tool is run twice", f"{what} {deed}: before the cut and after it"
    for agent, turn in after.told("asked", end):
        if turn < answers:
            yield "no answer is bought twice", f"{agent}: asked for answer {turn + 1}, had {answers}"


def _answers(tree: Tree) -> int:
    entries = (line.fields() for line in all_lines(tree, MODEL))
    return sum(entry["type"] == "turn" and entry["role"] == "assistant" for entry in entries)


def _point_at(tree: Tree, url: str) -> None:
    """The model is asked elsewhere now; a person would edit that."""
    path = tree.agent_spec(MODEL)
    path.write_bytes(codec.encode_pretty({**codec.decode_object(path.read_bytes()), "base_url": url}))


def _told_to(log: Path) -> Callable[[LoopbackRequest], None]:
    """A witness that tells the log of what is resumed, from this process, which records nothing else."""

    def witness(request: LoopbackRequest) -> None:
        append(log, "asked", MODEL, request.turn)

    return witness
