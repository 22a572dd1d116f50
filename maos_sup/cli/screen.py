"""Says what the full-screen view is given: acts by way of `steering`, and what there is to read."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from maos_sup.agents.registry import kind_shapes
from maos_sup.steering.answering import answer, open_question, reply_of
from maos_sup.steering.change import lines_of
from maos_sup.steering.editing import agent_text, put_agent_text
from maos_sup.steering.sending import send
from maos_sup.steering.starting import see_to_it
from maos_sup.steering.wanting import run_again, tasks_to_retry, want_of_agent, want_of_all
from maos_sup.views.mailbox import Mailbox
from maos_sup.views.render import message_lines
from maos_sup.views.screen.state import Act
from maos_sup.views.transcript import TranscriptReading
from state_layout.errors import BadInput
from state_layout.paths import Tree
from state_layout.records import Want

if TYPE_CHECKING:
    pass

_MESSAGES = 500


class SteeringDesk:
    """Acts on one tree, and reads of it what a person asks for."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._reading: dict[tuple[str, bool], TranscriptReading] = {}
        self._mailbox: Mailbox | None = None
        self._messages: list[str] = []

    def act(self, act: Act) -> str:
        """Do it; what changed, in words. Raises LayoutError."""
        tree = self._tree
        match act.name:
            case "answer":
                asked = open_question(tree, act.about)
                words = tuple(act.text.split(maxsplit=1))
                return str(answer(tree, asked["id"], reply_of(asked, words)))
            case "send":
                return str(send(tree, act.about, act.text))
            case "pause":
                return str(want_of_agent(tree, act.about, Want.PAUSE))
            case "start":
                return self._started(str(want_of_agent(tree, act.about, Want.RUN)))
            case "pause_all":
                return str(want_of_all(tree, Want.PAUSE))
            case "start_all":
                return self._started(str(want_of_all(tree, Want.RUN)))
            case "retry":
                chosen = tasks_to_retry(tree, agent=act.about, task=None)
                if not chosen:
                    return f"nothing of {act.about} has failed"
                return self._started(lines_of(run_again(tree, chosen)))
        raise BadInput(f"nobody knows how to {act.name}")

    def read(self, agent: str, *, is_raw: bool) -> tuple[str, ...]:
        """The transcript or the raw output of an agent, as far as a screen goes back."""
        key = (agent, is_raw)
        if key not in self._reading:
            self._reading = {
                key: TranscriptReading(self._tree, agent, is_raw=is_raw)
            }  # one at a time is read
        return self._reading[key].lines()

    def messages(self) -> tuple[str, ...]:
        """List the newest messages, a line each."""
        if self._mailbox is None:
            self._mailbox = Mailbox(self._tree, newest=_MESSAGES)
        self._messages = [*self._messages, *message_lines(self._mailbox.read())][-_MESSAGES:]
        return tuple(self._messages)

    def edit(self, agent: str) -> str:
        """Let the spec of an agent be edited in $EDITOR; what changed. Raises LayoutError."""
        before = agent_text(self._tree, agent)
        with tempfile.TemporaryDirectory(prefix="maos-sup-") as folder:
            path = Path(folder) / f"{agent}.json"
            path.write_text(before, encoding="utf-8")
            _edited(path)
            text = path.read_text(encoding="utf-8", errors="replace")
        if text == before:
            return f"agent {agent}: nothing was changed"
        told = str(put_agent_text(self._tree, agent, text, kinds=kind_shapes()))
        return f"{told}; what it runs now keeps what it began with, its next attempt has the new"

    def _started(self, told: str) -> str:
        more = see_to_it(self._tree)
        return f"{told}; {more}" if more else told


def _edited(path: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        code = subprocess.call([*shlex.split(editor), str(path)])
    except (OSError, ValueError) as cause:
        raise BadInput(f"the editor {editor!r} cannot be started: {cause}; set EDITOR") from cause
    if code:
        raise BadInput(f"the editor {editor!r} ended with exit code {code}; nothing was changed")
