"""Messages to the agent, put into Claude Code's standard input: each once, acknowledged when it was told.

A message is known by a uuid that follows from its identity. It counts as told when the transcript has that
uuid, as a message of its own or as one taken in between tools, or its very text: messages that wait together
are told as one, by one uuid. Only then its mark is committed; what was sent and is not there when the process
ends is sent again.
"""

from __future__ import annotations

from collections.abc import Callable

from maos_sup.agents.bus.letters import told_messages
from maos_sup.agents.kinds.claude.transcript import Transcript
from maos_sup.agents.kinds.shared.prompts import message_uuid
from maos_sup.agents.secrets.redaction import Redactor
from maos_sup.agents.work import Work
from state_layout.lives.history import Mark
from state_layout.mail import Inbox

Tell = Callable[[str, str], None]  # text, uuid
_MOST_UNDER_WAY = 20


class Post:
    """The post is the mail of one piece of work."""

    def __init__(self, work: Work, redactor: Redactor, *, session: str) -> None:
        life = work.life
        self._life, self._redactor, self._session = life, redactor, session
        self._inbox = Inbox(life.tree, life.agent, marks=life.recorder.marks())
        self._under_way: list[tuple[str, str, dict[str, Mark]]] = []  # text, uuid: sent, not told yet

    @property
    def is_under_way(self) -> bool:
        """Something was sent that the model was not told yet."""
        return bool(self._under_way)

    def begin(self) -> None:
        """Begin with a new process: what was under way was lost with the old one."""
        self._under_way.clear()
        self._inbox.rewind(self._life.recorder.marks())

    def send(self, transcript: Transcript, tell: Tell) -> bool:
        """Tell what is new; whether there was any that the model was not told. Raises StorageError."""
        has_sent = False
        while len(self._under_way) < _MOST_UNDER_WAY:
            messages, marks = self._inbox.fetch(1)
            for note in self._inbox.notes:
                self._life.warn(note)
            self._inbox.notes.clear()
            if not messages:
                if marks:
                    self._life.recorder.commit("received", {"received": marks})
                break
            uuid = message_uuid(self._session, messages[0].id)
            text = self._redactor.text(told_messages(messages))
            self._under_way.append((text, uuid, marks))
            if not transcript.talk.was_told(text, uuid):
                tell(text, uuid)
                has_sent = True
        self.acknowledge(transcript)
        return has_sent

    def acknowledge(self, transcript: Transcript) -> None:
        """Commit the marks of what the model was told. Raises StorageError."""
        told = [item for item in self._under_way if transcript.talk.was_told(item[0], item[1])]
        if told:
            transcript.sync()
        for _, uuid, marks in told:
            self._life.recorder.commit("received", {"received": marks, "told": uuid})
        self._under_way = [item for item in self._under_way if item not in told]

    def close(self) -> None:
        """Close the files."""
        self._inbox.close()
