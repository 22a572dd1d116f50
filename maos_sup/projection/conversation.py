"""Says what an agent said and did, folded by turn, a page at a time: the newest turns first to be read. Pure.

A turn is an answer of a model with the calls that it made and what these gave; of programs, a step or a task.
Blocks of kind `anthropic` are put together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from maos_sup.projection.journal_lines import JournalLine
from maos_sup.projection.reading import shown_json
from maos_sup.projection.spans import cost_of, tokens_of
from maos_sup.projection.text import cut

CONVERSATION_TYPES = frozenset(
    {"turn", "block", "broken", "tool_call", "tool_result", "task", "step", "raised", "asked", "answered"}
    | {"compacted", "warning", "progress", "start", "called"}
)
_MOST_CHARS = 6000


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call is one of a tool. `result` None: it runs, or nobody saw its end."""

    id: str
    name: str
    input: str
    result: str | None = None
    is_error: bool = False
    elapsed_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One thing that was said or done.

    `kind`: told, answer, task, step, asked, answered, broken, note, life.
    """

    kind: str
    at_s: float
    attempt: int
    seq: int
    head: str
    text: str = ""
    calls: tuple[Call, ...] = ()
    cost_usd: float | None = None
    tokens: int = 0
    is_void: bool = False


@dataclass(slots=True)
class _Fold:
    turns: list[Turn] = field(default_factory=list)
    blocks: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    where: dict[str, int] = field(default_factory=dict)  # the turn of each call

    def add(self, line: JournalLine, kind: str, head: str, text: object = "", **more: Any) -> None:
        place: Mapping[str, Any] = {
            "at_s": line.at_s,
            "attempt": line.attempt,
            "seq": line.seq,
            "is_void": line.is_void,
        }
        self.turns.append(Turn(kind=kind, head=head, text=cut(text, _MOST_CHARS), **place, **more))

    def set_call(self, call: Call) -> None:
        """Put `call` in the place of the one of its id, or behind the last turn."""
        if not self.turns:
            return
        index = self.where.setdefault(call.id, len(self.turns) - 1)
        turn = self.turns[index]
        others = tuple(one for one in turn.calls if one.id != call.id)
        self.turns[index] = replace(turn, calls=(*others, call))

    def call(self, id_: str) -> Call | None:
        index = self.where.get(id_)
        found = self.turns[index].calls if index is not None else ()
        return next((one for one in found if one.id == id_), None)


def turns_of(lines: Iterable[JournalLine]) -> list[Turn]:
    """The turns that `lines` of one agent tell, oldest first."""
    fold = _Fold()
    for line in lines:
        teller = _TELLERS.get(line.type)
        if teller is not None:
            teller(fold, line)
    return fold.turns


def _turn(fold: _Fold, line: JournalLine) -> None:
    fields = line.fields
    if fields.get("role") != "assistant":
        text = _texts(fields.get("content"))
        if text:
            fold.add(line, "told", "told", text)
        return
    blocks = fold.blocks.pop(str(fields.get("key")), [])
    said = fields.get("text")
    text = said if isinstance(said, str) else _texts(blocks)
    money = {"cost_usd": cost_of(fields), "tokens": tokens_of(fields)}
    fold.add(line, "answer", "answer", text, **money)
    for block in blocks:
        if block.get("type") == "tool_use":
            fold.set_call(_call_of(block))


def _call_of(value: Mapping[str, Any]) -> Call:
    shown = cut(shown_json(value.get("input")), _MOST_CHARS) if "input" in value else ""
    return Call(id=str(value.get("id")), name=str(value.get("name") or "a tool"), input=shown)


def _block(fold: _Fold, line: JournalLine) -> None:
    block = line.fields.get("block")
    if isinstance(block, dict):
        fold.blocks.setdefault(str(line.fields.get("key")), []).append(block)


def _tool_call(fold: _Fold, line: JournalLine) -> None:
    if "input" in line.fields:  # of a command line; of kind anthropic the block has it
        if not fold.turns:
            fold.add(line, "answer", "calls")
        fold.set_call(_call_of(line.fields))


def _tool_result(fold: _Fold, line: JournalLine) -> None:
    fields = line.fields
    id_, took = str(fields.get("id")), fields.get("elapsed_s")
    known = fold.call(id_) or Call(id=id_, name=str(fields.get("name") or "a tool"), input="")
    result = Call(
        id=id_,
        name=known.name,
        input=known.input,
        result=cut(_texts(fields.get("content")), _MOST_CHARS),
        is_error=bool(fields.get("is_error")),
        elapsed_s=float(took) if isinstance(took, int | float) else None,
    )
    if not fold.turns:
        fold.add(line, "answer", "calls")
    fold.set_call(result)


def _task(fold: _Fold, line: JournalLine) -> None:
    fields = line.fields
    told = fields.get("error") or fields.get("result")
    text = "" if told is None else shown_json(told)
    fold.add(line, "task", f"task {fields.get('task')} {fields.get('phase')}", text)


def _step(fold: _Fold, line: JournalLine) -> None:
    fold.add(line, "step", f"step {line.fields.get('key')}", shown_json(line.fields.get("result")))


def _raised(fold: _Fold, line: JournalLine) -> None:
    fold.add(line, "broken", f"step {line.fields.get('key')} raised", line.fields.get("error") or "")


def _asked(fold: _Fold, line: JournalLine) -> None:
    fold.add(line, "asked", "asks", line.fields.get("text") or "")


def _answered(fold: _Fold, line: JournalLine) -> None:
    said = [str(line.fields[key]) for key in ("answer", "text") if line.fields.get(key)]
    fold.add(line, "answered", "was answered", " ".join(said))


def _broken(fold: _Fold, line: JournalLine) -> None:
    money = {"cost_usd": cost_of(line.fields), "tokens": tokens_of(line.fields)}
    fold.add(line, "broken", "no whole answer", line.fields.get("why") or "", **money)


def _compacted(fold: _Fold, line: JournalLine) -> None:
    fold.add(line, "note", "the conversation was shortened")


def _warning(fold: _Fold, line: JournalLine) -> None:
    fold.add(line, "note", "warning", line.fields.get("text") or "")


def _start(fold: _Fold, line: JournalLine) -> None:
    fold.add(line, "life", f"attempt {line.attempt} begins")


def _texts(content: object) -> str:
    """Join the texts in the content of a prompt, an answer or a result."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return "" if content is None else shown_json(content)
    return "\n".join(filter(None, map(_text_of, content)))


def _text_of(block: object) -> str:
    if not isinstance(block, dict):
        return str(block)
    known = {"text": "text", "thinking": "thinking"}.get(str(block.get("type")))
    if known is not None:
        return str(block.get(known, ""))
    return "[an image]" if block.get("type") == "image" else ""


_TELLERS: dict[str, Callable[[_Fold, JournalLine], None]] = {
    "turn": _turn,
    "block": _block,
    "broken": _broken,
    "tool_call": _tool_call,
    "tool_result": _tool_result,
    "task": _task,
    "step": _step,
    "raised": _raised,
    "asked": _asked,
    "answered": _answered,
    "compacted": _compacted,
    "warning": _warning,
    "start": _start,
}
