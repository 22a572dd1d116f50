"""The conversation, as a fold of the agent's journal: what was said, what is open, what comes next. Pure.

A life that dies anywhere is continued by folding the same lines again. `move` is the whole protocol:

    BEGIN   nothing was said yet: the first prompt
    ASK     it is the model's turn; an answer that did not come whole does not count
    TOOLS   the answer calls tools, some have no result yet
    REPLY   all results are there: the next prompt, with the messages that came meanwhile
    ENDED   the model ended its turn or called `finish`

Blocks are journaled as they complete (`block`), the line `turn` that counts them makes them an answer: it
stands for all of them, being synced after them in the same file. Tool results are journaled one by one; the
prompt that tells them to the model names them by id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from maos_sup.agents.kinds.anthropic.entries import ShellLeft
from state_layout.ledger import NOTHING, Amount

if TYPE_CHECKING:
    from maos_sup.agents.kinds.anthropic.entries import TalkBlock, TalkEntry, TalkMessage

TYPES = frozenset(
    {"turn", "request", "begun", "partial", "block", "broken", "tool_call", "tool_result", "compacted"}
)


class Move(Enum):
    """A move is what comes next."""

    BEGIN = "begin"
    ASK = "ask"
    TOOLS = "tools"
    REPLY = "reply"
    ENDED = "ended"


class Purpose:
    """The purpose says what a request is for."""

    TURN = "turn"
    COMPACT = "compact"


@dataclass(slots=True, kw_only=True)
class Request:
    """A request is a question to the model without a whole answer. `key` names it in the ledger and to the
    server."""

    key: str
    purpose: str
    estimate: Amount = NOTHING  # what is reserved for one try
    waste: Amount = NOTHING  # what tries that broke off cost, as far as known
    tries: int = 0
    is_under_way: bool = False  # asked, and neither answered nor known to have broken off
    usage: dict[str, int] | None = None  # what the server said when it began to answer
    blocks: dict[int, TalkBlock] = field(default_factory=dict)  # by index
    chars: dict[int, int] = field(default_factory=dict)  # by index: how much of a block came
    in_vain: dict[str, int] = field(default_factory=dict)  # by cause: tries whose answer had begun

    @property
    def streamed_chars(self) -> int:
        """So many characters came of the answer under way."""
        return sum(self.chars.values())


@dataclass(slots=True, kw_only=True)
class Conversation:
    """A conversation is the fold of its lines. `messages` are as the API takes them; `n` numbers turns,
    prompts and answers alike."""

    task: str
    run: int
    messages: list[TalkMessage] = field(default_factory=list)
    n: int = 0
    first_blocks: int = 0  # how many blocks the first prompt has, kept for ever
    answers: int = 0  # paid turns of the model, compactions among them
    nudges: int = 0  # prompts in a row that only asked it to go on
    request: Request | None = None
    is_answered: bool = False  # the last prompt was; an answer may be empty, and then is no message
    stop_reason: str | None = None
    uses: list[TalkBlock] = field(default_factory=list)  # tool calls of the last answer
    begun: dict[str, TalkEntry] = field(default_factory=dict)  # by id: calls whose intent is on record
    results: dict[str, TalkBlock] = field(default_factory=dict)  # by id: of the last answer
    bad_inputs: dict[str, str] = field(default_factory=dict)  # by id of a call: why its input is unusable
    costs: dict[str, Amount] = field(default_factory=dict)  # by key: of questions that were answered
    finished: dict[str, object] | None = None  # what `finish` was called with
    input_tokens: int = 0  # of the last answer, all of its prompt
    output_tokens: int = 0  # of the last answer
    shell: ShellLeft = field(default_factory=ShellLeft)  # what the shell was left with
    compactions: int = 0

    def take(self, entry: TalkEntry) -> None:
        """Fold one journal entry of this run. Raises KeyError, TypeError for one not in form."""
        _FOLDS[entry["type"]](self, entry)

    def take_all(self, entries: Iterable[TalkEntry]) -> None:
        """Fold the entries that belong to this run, in order."""
        for entry in entries:
            if entry.get("type") in TYPES and self._owns(entry):
                self.take(entry)

    def move(self) -> Move:
        """Decide what comes next."""
        if self.finished is not None:
            return Move.ENDED
        if not self.messages:
            return Move.BEGIN
        if not self.is_answered:
            return Move.ASK
        if self.open_uses():
            return Move.TOOLS
        return Move.REPLY if self.uses else Move.ENDED

    def open_uses(self) -> list[TalkBlock]:
        """The calls of the last answer that have no result, in its order."""
        return [use for use in self.uses if use["id"] not in self.results]

    def last_text(self) -> str:
        """Take the text of the last answer."""
        for message in reversed(self.messages):
            if message["role"] == "assistant":
                texts = [block["text"] for block in message["content"] if block.get("type") == "text"]
                return "\n\n".join(texts).strip()
        return ""

    def _owns(self, entry: TalkEntry) -> bool:
        if "task" in entry:
            return (entry["task"], entry.get("run", 1)) == (self.task, self.run)
        return self.request is not None and bool(entry.get("key") == self.request.key)


def _turn(talk: Conversation, entry: TalkEntry) -> None:
    if entry["role"] == "user":
        _prompt(talk, entry)
    else:
        _answer(talk, entry)


def _prompt(talk: Conversation, entry: TalkEntry) -> None:
    content = [_told(talk, block) for block in entry["content"]]
    if talk.messages and talk.messages[-1]["role"] == "user":
        talk.messages[-1]["content"] = [*talk.messages[-1]["content"], *content]
    else:
        talk.messages.append({"role": "user", "content": content})
    if len(talk.messages) == 1 and not talk.first_blocks:
        talk.first_blocks = len(content)
    talk.n, talk.is_answered = entry["n"] + 1, False
    talk.nudges = talk.nudges + 1 if entry.get("nudge") else 0
    talk.uses, talk.results, talk.begun = [], {}, {}


def _told(talk: Conversation, block: TalkBlock) -> TalkBlock:
    """Take a block of a prompt; a tool result that is only named is put in its place."""
    if block["type"] == "tool_result" and "content" not in block:
        return talk.results[block["tool_use_id"]]
    return block


def _request(talk: Conversation, entry: TalkEntry) -> None:
    request = talk.request
    if request is None or request.key != entry["key"]:
        talk.request = request = Request(key=entry["key"], purpose=entry.get("purpose", Purpose.TURN))
    request.estimate = Amount.from_json(entry.get("estimate") or {})
    request.tries += 1
    talk.bad_inputs = {}
    request.is_under_way, request.usage, request.blocks, request.chars = True, None, {}, {}


def _begun(talk: Conversation, entry: TalkEntry) -> None:
    if talk.request is not None:
        talk.request.usage = entry["usage"]


def _partial(talk: Conversation, entry: TalkEntry) -> None:
    if talk.request is not None:
        chars, index = talk.request.chars, entry.get("index", 0)
        chars[index] = chars.get(index, 0) + len(entry["text"])


def _block(talk: Conversation, entry: TalkEntry) -> None:
    if talk.request is not None:
        index, block = entry["index"], entry["block"]
        talk.request.blocks[index] = block
        talk.request.chars[index] = max(talk.request.chars.get(index, 0), _chars(block))
        if "id" in block:
            talk.bad_inputs.pop(block["id"], None)
        if "bad_input" in entry or entry.get("is_cut_off"):  # the second: in older journals
            talk.bad_inputs[block["id"]] = entry.get("bad_input", "")


def _broken(talk: Conversation, entry: TalkEntry) -> None:
    if talk.request is not None:
        talk.request.is_under_way = False
        if entry.get("cause") is not None:
            talk.request.in_vain[entry["cause"]] = talk.request.in_vain.get(entry["cause"], 0) + 1
        talk.request.waste += Amount.from_json(entry.get("waste") or {})


def _answer(talk: Conversation, entry: TalkEntry) -> None:
    blocks = [block for block in _answered(talk, entry) if not _is_blank(block)]
    if blocks:
        talk.messages.append({"role": "assistant", "content": blocks})
    talk.stop_reason = entry["stop_reason"]
    talk.uses = [block for block in blocks if block["type"] == "tool_use"]
    talk.results, talk.begun = {}, {}
    talk.n, talk.is_answered = entry["n"] + 1, True


def _answered(talk: Conversation, entry: TalkEntry) -> list[TalkBlock]:
    """Take the blocks of an answer that is whole. Raises KeyError if the journal does not have them all."""
    if talk.request is None or len(talk.request.blocks) != entry["blocks"]:
        raise KeyError("blocks")
    blocks = [talk.request.blocks[index] for index in sorted(talk.request.blocks)]
    waste, talk.request = talk.request.waste, None
    talk.costs[entry["key"]] = waste + Amount.from_json(entry)
    talk.answers += 1
    told = entry.get("usage") or {}
    usage = entry.get("expected_usage") or told
    kinds = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    talk.input_tokens = sum(usage.get(kind) or 0 for kind in kinds)
    talk.output_tokens = told.get("output_tokens") or 0  # what was expected is no ground to expect more
    return blocks


def _is_blank(block: TalkBlock) -> bool:
    """The block says nothing: some servers put one before a call, and others refuse to be told it."""
    return block.get("type") == "text" and not str(block.get("text", "")).strip()


def _chars(block: TalkBlock) -> int:
    """Count about how long a block is, in characters."""
    return sum(len(str(block[key])) for key in ("text", "thinking", "input") if key in block)


def _tool_call(talk: Conversation, entry: TalkEntry) -> None:
    talk.begun[entry["id"]] = entry


def _tool_result(talk: Conversation, entry: TalkEntry) -> None:
    result: TalkBlock = {"type": "tool_result", "tool_use_id": entry["id"], "content": entry["content"]}
    if entry.get("is_error"):
        result["is_error"] = True
    talk.results[entry["id"]] = result
    talk.shell = entry.get("shell", talk.shell)
    if "finished" in entry:
        talk.finished = entry["finished"]


def _compacted(talk: Conversation, entry: TalkEntry) -> None:
    """The conversation begins again with the first prompt and what the model noted for itself."""
    summary = [block for block in _answered(talk, entry) if block["type"] == "text"]
    first = talk.messages[0]["content"][: entry["kept_blocks"]]
    talk.messages = [{"role": "user", "content": [*first, {"type": "text", "text": entry["lead"]}, *summary]}]
    talk.uses, talk.results, talk.begun = [], {}, {}
    talk.input_tokens = 0
    talk.compactions += 1
    talk.n, talk.is_answered = entry["n"] + 1, False


_FOLDS: dict[str, Callable[[Conversation, TalkEntry], None]] = {
    "turn": _turn,
    "request": _request,
    "begun": _begun,
    "partial": _partial,
    "block": _block,
    "broken": _broken,
    "tool_call": _tool_call,
    "tool_result": _tool_result,
    "compacted": _compacted,
}
