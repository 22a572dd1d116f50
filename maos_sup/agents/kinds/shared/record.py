"""Says how what a command line does gets on record: one line each, with the place in its output it came from.

A line is committed with the offset up to which the output was understood, or with none where something before
it is not on record yet; what is understood again by a later life is known by its ids. The text of answers is
shown in the agent's own output; discoveries in it go into the same line as the answer.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from maos_sup.agents.control.control_lines import discovery_of
from maos_sup.agents.kinds.shared.memory import RunMemory
from maos_sup.agents.output.sources import Source
from maos_sup.agents.output.translate import pattern_of
from maos_sup.agents.secrets.redaction import Redactor
from maos_sup.agents.work import Work
from state_layout.files import codec
from state_layout.ledger import Amount

if TYPE_CHECKING:
    from state_layout.records.attempt_lines import SentMessage

_MOST_CHARS = 20_000  # of one text in a record; the session has all of it
_READING = frozenset(
    {"Read", "Grep", "Glob", "LS", "WebFetch", "WebSearch", "TodoWrite", "BashOutput"}  # Claude Code
    | {"read", "grep", "glob", "list", "webfetch", "todowrite", "todoread"}  # opencode
    | {"read_file", "read_many_files", "list_directory", "search_file_content", "web_fetch"}  # gemini
    | {"web_search", "update_plan"}  # codex
)  # tools after which files are as they were
_MOST_SHOWN = 200  # characters of a call's input, in the output


class ProgramRecord:
    """Commits on behalf of one piece of work."""

    def __init__(self, work: Work, memory: RunMemory, redactor: Redactor) -> None:
        self._work, self._life, self.memory, self._redactor = work, work.life, memory, redactor
        keywords = work.spec.keywords
        self._keywords = pattern_of(keywords) if keywords else None

    def commit(
        self,
        type_: str,
        fields: Mapping[str, object],
        *,
        at: tuple[Source, int] | None = None,
        messages: Sequence[SentMessage] = (),
    ) -> None:
        """Commit one line; `at`: the output is understood up to there. Raises StorageError."""
        task = self._work.task
        entry: Any = {"task": task.id, "run": task.run, **self._redactor.value(_shortened(fields))}
        if at is not None:
            source, offset = at
            source.sync(offset)
            entry["source"] = {"file": source.name, "attempt": source.attempt, "offset": offset}
        with self._life.bell.shielded():
            self._life.recorder.commit(type_, entry, messages=messages)
            line: Any = {"type": type_, **entry}
            self.memory.take(line)

    def answer(
        self,
        fields: Mapping[str, object],
        texts: Sequence[str],
        *,
        amount: Amount,
        at: tuple[Source, int] | None,
    ) -> None:
        """Record an answer of the model; its text is shown where it comes in. Raises StorageError."""
        text = self._redactor.text("\n\n".join(texts).strip())
        told: dict[str, object] = {"role": "assistant", "text": text, **fields, "tokens": amount.tokens}
        told |= {"cost": "unknown"} if amount.cost_usd is None else {"cost_usd": amount.cost_usd}
        self.commit("turn", told, at=at, messages=self._discoveries(text))

    def call(self, id_: str, name: str, input_: Any, **more: Any) -> None:
        """A tool is about to run; `more` of it, as who called it (`by`). Raises StorageError."""
        if id_ in self.memory.calls or id_ in self.memory.results:
            return
        fields = {"id": id_, "name": name, "input": input_}
        fields |= {key: value for key, value in more.items() if value is not None}
        self.commit("tool_call", fields)
        shown = codec.encode(input_).decode()
        self.show(f"> {name} {shown[:_MOST_SHOWN]}{'...' if len(shown) > _MOST_SHOWN else ''}")

    def call_result(
        self,
        id_: str,
        content: Any,
        *,
        is_error: bool,
        at: tuple[Source, int] | None = None,
        is_waiting: bool = False,
    ) -> None:
        """Record that a tool ran; what it left is kept. `is_waiting`: the program goes on when we have
        answered.

        Raises StorageError.
        """
        if id_ in self.memory.results:
            return
        text = content if isinstance(content, str) else codec.encode(content).decode()
        name = (self.memory.calls.get(id_) or {}).get("name")
        fields: dict[str, object] = {"id": id_, "name": name, "content": text}
        self.commit("tool_result", fields | ({"is_error": True} if is_error else {}), at=at)
        if self._life.snap is not None and name not in _READING:
            self._life.snap(f"after {name}", call=id_, settling=not is_waiting)

    def calls_interrupted(self, what: str) -> None:
        """No process is left that could bring results: say `what` of each open call. Raises StorageError."""
        for id_, call in [*self.memory.calls.items()]:
            fields = {"id": id_, "name": call.get("name"), "content": what}
            self.commit("tool_result", fields | {"is_error": True, "is_interrupted": True})

    def warn(self, text: str) -> None:
        """Report something that a person should know. Raises StorageError."""
        self._life.warn(text)

    def warn_once(self, text: str) -> None:
        """The same, unless this life said it before; secrets in it are left out. Raises StorageError."""
        self._life.warn_once(self._redactor.text(text))

    def show(self, text: str) -> None:
        """Put text into the agent's output, so that no keyword in it is heard a second time."""
        text = self._redactor.text(text)
        if self._keywords is not None:
            text = self._keywords.sub(rb" \g<0>", text.encode("utf-8", "replace")).decode("utf-8", "replace")
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def _discoveries(self, text: str) -> list[SentMessage]:
        if self._keywords is None:
            return []
        found = self._keywords.finditer(text.encode("utf-8", "replace"))
        return [
            discovery_of(
                match[2].decode("utf-8", "replace").strip(),
                keyword=match[1].decode(),
                task=self._work.task.id,
            )
            for match in found
            if match[2].strip()
        ]


def _shortened(value: Any) -> Any:
    """`value` with the ends of very long texts left out."""
    if isinstance(value, str):
        left_out = len(value) - _MOST_CHARS
        return value if left_out <= 0 else f"{value[:_MOST_CHARS]}[... {left_out} characters left out ...]"
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(item) for item in value]
    return value
