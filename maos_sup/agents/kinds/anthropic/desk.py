"""Says what the tools of one piece of work share: where they may work, what is secret, the mail that came."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from maos_sup.agents.bus.verbs import CallScene
from maos_sup.agents.kinds.anthropic.conversation import Conversation
from maos_sup.agents.kinds.anthropic.settings import Settings
from maos_sup.agents.sandbox.bounds import Bounds
from maos_sup.agents.sandbox.confine import Sandbox, make_sandbox
from maos_sup.agents.secrets.redaction import Redactor, is_secret_name
from maos_sup.agents.work import Work
from maos_sup.agents.workplace.confinement import bounds_for
from state_layout.files import atomic
from state_layout.mail import Inbox
from state_layout.records import Message


@dataclass(kw_only=True)
class ConversationDesk:
    """A desk is made once for each attempt at a task."""

    work: Work
    settings: Settings
    talk: Conversation
    redactor: Redactor

    @cached_property
    def inbox(self) -> Inbox:
        """The inbox reads the agent's mail, from the committed marks on."""
        life = self.work.life
        return Inbox(life.tree, life.agent, marks=life.recorder.marks())

    @cached_property
    def scene(self) -> CallScene:
        """The team's verbs look at this scene."""
        work = self.work
        return CallScene(
            tree=work.life.tree,
            recorder=work.life.recorder,
            spec=work.spec,
            task=work.task,
            redactor=self.redactor,
            max_spawned=self.settings.max_spawned,
        )

    @cached_property
    def folder(self) -> Path:
        """The work is done here: absolute, without links."""
        return self.work.folder().resolve()

    @cached_property
    def temporary(self) -> Path:
        """The folder for temporary files is the agent's own."""
        folder = self.work.life.paths.workspace / ".tmp"
        atomic.make_folder(folder)
        return folder

    @cached_property
    def bounds(self) -> Bounds:
        """The bounds are what commands may write, and what of that is kept from them. Raises BadInput."""
        paths, settings = self.work.life.paths, self.settings
        own = [paths.workspace, paths.artifacts]
        return bounds_for(self.work, kind=settings.sandbox, own=own, asked=settings.sandbox_write)

    @property
    def writable(self) -> tuple[Path, ...]:
        """Commands and edits may write here, absolute, without links; the first is where they begin."""
        return tuple(dict.fromkeys([self.folder, *self.bounds.write]))

    @cached_property
    def sandbox(self) -> Sandbox:
        """The sandbox confines commands. Raises BadInput for one that is asked for and not there."""
        tree = self.work.life.tree
        others = [tree.agent(name).artifacts for name in self.work.life.specs.now.agents]
        read = [tree.spec, tree.mail, *others, *map(Path, self.settings.sandbox_read)]
        return make_sandbox(
            self.settings.sandbox, read=read, write=(), environment=self.environment, bounds=self.bounds
        )

    @cached_property
    def environment(self) -> dict[str, str]:
        """Commands find this in their environment: no secrets, a place for what is temporary."""
        passed = frozenset(self.settings.pass_env)
        kept = {
            name: value
            for name, value in self.work.environment().items()
            if name in passed or not is_secret_name(name)
        }
        cache = str(self.temporary / "cache")
        own = {"TMPDIR": str(self.temporary), "XDG_CACHE_HOME": cache, "PYTHONDONTWRITEBYTECODE": "1"}
        unattended = {"PAGER": "cat", "GIT_PAGER": "cat", "GIT_TERMINAL_PROMPT": "0", "TERM": "dumb"}
        return kept | own | unattended

    def news(self, *, limit: int) -> tuple[list[Message], dict[str, tuple[int, int, str]]]:
        """Fetch messages that came and the marks to commit with them; warn of what cannot be read."""
        messages, marks = self.inbox.fetch(limit)
        for note in self.inbox.notes:
            self.work.life.warn(note)
        self.inbox.notes.clear()
        return messages, marks


def all_variables(work: Work) -> Mapping[str, str]:
    """Join the environments of this process and this agent: secrets may stand there."""
    return {**os.environ, **work.spec.env}
