"""Says what an agent said, did and was told, as a text to read: from its journals or its output. Only reads.

Agents of model kinds have their conversation in their journals: prompts, answers, calls, results of calls.
Of programs there are their output, attempt by attempt, and the tasks they worked on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypedDict, TypeGuard

from maos_sup.views.files import printable
from maos_sup.views.output import Output
from state_layout.errors import LayoutError
from state_layout.files import codec
from state_layout.files.journal import Reader
from state_layout.lives.attempts import list_attempts
from state_layout.paths import Tree

_KEPT = 5000  # lines; a screen goes back no further


class TranscriptBlock(TypedDict, total=False):
    """A block of what a model says or is told, whoever wrote it."""

    type: str
    text: object
    thinking: object
    name: object
    input: object


class TranscriptLine(TypedDict, total=False):
    """Declares what is read here of a journal line of any type."""

    type: str
    at: object
    key: object
    role: str
    text: object
    cost_usd: object
    tokens: object
    content: Any  # text, or blocks
    block: TranscriptBlock | None
    name: object
    input: object
    is_error: object
    elapsed_s: object
    task: object
    phase: object
    error: object
    result: object
    answer: object
    why: object


class TranscriptReading:
    """The lines to read of one agent; each call reads on from where the last one ended."""

    def __init__(self, tree: Tree, agent: str, *, is_raw: bool = False, kept: int | None = _KEPT) -> None:
        self._tree, self._agent, self._is_raw = tree, agent, is_raw
        self._lines: deque[str] = deque(maxlen=kept)
        self._readers: dict[int, Reader] = {}
        self._output = Output(tree, [agent])
        self._attempt = 0
        self._is_model = False
        self._blocks: dict[str, list[TranscriptLine]] = {}

    def lines(self) -> tuple[str, ...]:
        """List all lines so far, the oldest first; none of them has control characters."""
        self._lines.extend(map(_clean, self.news()))
        return tuple(self._lines)

    def news(self) -> Iterator[str]:
        """Yield the lines that came since the last call."""
        if not self._is_raw:
            yield from self._of_journals()
        if self._is_raw or not self._is_model:
            yield from self._of_output()

    def _of_output(self) -> Iterator[str]:
        for line in self._output.read(to_the_end=False):
            if line.attempt != self._attempt and not self._is_raw:
                self._attempt = line.attempt
                yield f"--- output of attempt {line.attempt}"
            yield f"{'! ' if line.stream == 'stderr' else ''}{line.text}"

    def _of_journals(self) -> Iterator[str]:
        paths = self._tree.agent(self._agent)
        for attempt in list_attempts(paths):
            reader = self._readers.setdefault(attempt, Reader(paths.attempt(attempt).journal))
            try:
                for line in reader:
                    yield from self._told(line.fields())
            except (LayoutError, codec.NotJson) as damage:
                yield f"--- damaged: {damage}"

    def _told(self, entry: TranscriptLine) -> Iterator[str]:
        teller = _TELLERS.get(str(entry.get("type")))
        if entry.get("type") in ("turn", "tool_call", "block"):
            self._is_model = True
        if entry.get("type") == "block":
            self._blocks.setdefault(str(entry.get("key")), []).append(entry)
        elif entry.get("type") == "broken":
            self._blocks.pop(str(entry.get("key")), None)
        if entry.get("type") == "turn" and entry.get("role") == "assistant":
            yield from _assistant(entry, self._blocks.pop(str(entry.get("key")), []))
        elif teller is not None:
            yield from teller(entry)


def _assistant(entry: TranscriptLine, blocks: list[TranscriptLine]) -> Iterator[str]:
    """Yield the lines of an answer of a model: its text, its thinking and its calls, with what it cost."""
    usd = entry.get("cost_usd")
    told = [f"{usd:.4f} USD"] if isinstance(usd, int | float) else []
    told += [f"{entry['tokens']} tokens"] if entry.get("tokens") else []
    cost = f" ({', '.join(told)})" if told else ""
    yield f"--- {_time(entry)} answer{cost}"
    text = entry.get("text")
    if isinstance(text, str):
        yield from text.splitlines()
    for one in blocks:
        yield from _block(one.get("block") or {})


def _is_block(value: object) -> TypeGuard[TranscriptBlock]:
    return isinstance(value, dict)


def _block(block: TranscriptBlock) -> Iterator[str]:
    kind = block.get("type")
    if kind == "text":
        yield from str(block.get("text", "")).splitlines()
    elif kind == "thinking":
        yield from (f"| {line}" for line in str(block.get("thinking", "")).splitlines())
    elif kind == "tool_use":
        yield f"> {block.get('name')} {_json(block.get('input'))}"
    elif kind == "image":
        yield "[an image]"


def _user(entry: TranscriptLine) -> Iterator[str]:
    """Yield what a model was told; results of tools are told where they came."""
    content = entry.get("content")
    blocks: list[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    texts = [
        line
        for block in blocks
        if _is_block(block) and block.get("type") != "tool_result"
        for line in _block(block)
    ]
    if texts:
        yield f"--- {_time(entry)} told"
        yield from texts


def _call(entry: TranscriptLine) -> Iterator[str]:
    if "input" in entry:  # of a command line; of kind anthropic the block has it
        yield f"> {entry.get('name')} {_json(entry.get('input'))}"


def _result(entry: TranscriptLine) -> Iterator[str]:
    """Yield what a tool came to."""
    elapsed_s = entry.get("elapsed_s")
    took = f" in {elapsed_s:.1f} s" if isinstance(elapsed_s, int | float) else ""
    ended = "failed" if entry.get("is_error") else "gave"
    yield f"--- {_time(entry)} {entry.get('name') or 'a tool'} {ended}{took}"
    content = entry.get("content")
    if isinstance(content, list):
        for each in content:
            block: Any = each if isinstance(each, dict) else {"type": "text", "text": each}
            yield from _block(block)
    elif content is not None:
        yield from (content if isinstance(content, str) else _json(content)).splitlines()


def _task(entry: TranscriptLine) -> Iterator[str]:
    error = f": {entry['error']}" if entry.get("error") else ""
    yield f"--- {_time(entry)} task {entry.get('task')} {entry.get('phase')}{error}"
    if entry.get("result") is not None:
        result = entry["result"]
        yield from (result if isinstance(result, str) else _json(result)).splitlines()


def _asked(entry: TranscriptLine) -> Iterator[str]:
    yield f"--- {_time(entry)} asks: {entry.get('text')}"


def _answered(entry: TranscriptLine) -> Iterator[str]:
    said = f" {entry['text']}" if entry.get("text") else ""
    yield f"--- {_time(entry)} was answered: {entry.get('answer')}{said}"


def _compacted(entry: TranscriptLine) -> Iterator[str]:
    yield f"--- {_time(entry)} the conversation was shortened"


def _step(entry: TranscriptLine) -> Iterator[str]:
    yield f"--- {_time(entry)} step {entry.get('key')}: {_json(entry.get('result'))}"


def _broken(entry: TranscriptLine) -> Iterator[str]:
    yield f"--- {_time(entry)} no whole answer: {entry.get('why')}"


_TELLERS: dict[str, Callable[[TranscriptLine], Iterator[str]]] = {
    "turn": _user,
    "tool_call": _call,
    "tool_result": _result,
    "task": _task,
    "asked": _asked,
    "answered": _answered,
    "compacted": _compacted,
    "step": _step,
    "broken": _broken,
}


def _json(value: Any) -> str:
    return codec.encode(value).decode()


def _time(entry: TranscriptLine) -> str:
    return f"{str(entry.get('at', ''))[11:19]}Z"


def _clean(text: str) -> str:
    return printable(text.expandtabs(4))
