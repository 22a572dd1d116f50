"""Lines of an agent's journal, `agents/<agent>/attempts/<attempt>/journal.jsonl`, by their `type`.

Any of them may carry effects (`Effects`), which all take place or none. Only the type checker imports this.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

Position = tuple[int, int, str] | list[Any]  # seq, offset in bytes, h; a list as it is read


class PinFields(TypedDict):
    """The pin is the line of the attempt before that counts as the last one."""

    attempt: int
    seq: int
    h: str


class SentMessage(TypedDict, total=False):
    """The message is as its sender's journal has it; before it is planned it has no `n`."""

    to: str  # an agent, or `all`
    n: int  # its `seq` in the mail file
    type: str
    text: str | None
    body: Any
    reply_to: str | None


class SourceEffect(TypedDict):
    """The output was understood up to `offset`."""

    file: str
    attempt: int
    offset: int  # bytes


class StateEffect(TypedDict, total=False):
    """These keys of the agent's own state were changed."""

    set: dict[str, object]
    deleted: list[str]


class Effects(TypedDict, total=False):
    """These keys may stand in any line; all of it takes place, or none."""

    sent: list[SentMessage]
    received: dict[str, Position]  # by "<box>/<from>"
    source: SourceEffect
    state: StateEffect
    stored: dict[str, int]  # by shared scope: the last line in its file
    seen: dict[str, int]  # by "<scope>/<writer>"
    cost_usd: float
    tokens: int


class AnyLine(Effects):
    """Every line has these keys. `synced`: the highest `seq` known to be durable before."""

    seq: int
    at: str
    synced: NotRequired[int]
    h: str


class OfRun(AnyLine):
    """The line is of a run of a task: of the current one where it names none."""

    task: NotRequired[str]
    run: NotRequired[int]


class RewoundTo(TypedDict):
    """The record says why an attempt begins at an earlier moment. `cut` 0: a copy was mended."""

    void: int
    cut: int


class StartLine(AnyLine):
    type: Literal["start"]
    agent: str
    attempt: int
    pin: PinFields | None
    settings: dict[str, object]  # of the kind: free
    rewound: NotRequired[RewoundTo]
    passed: NotRequired[dict[str, int]]  # bytes by "<attempt>/<file>": output that is not read again


class TaskLine(AnyLine):
    """A key keeps its last value: one that is absent is as it was."""

    type: Literal["task"]
    task: str
    run: NotRequired[int]
    phase: str
    progress: NotRequired[float | None]
    result: NotRequired[Any]
    error: NotRequired[str | None]
    exit_code: NotRequired[int | None]
    signal: NotRequired[int | None]
    elapsed_s: NotRequired[float]


class CallLine(OfRun):
    """The line says which step is to be done next."""

    type: Literal["call"]
    key: str
    token: NotRequired[str]


class StepLine(OfRun):
    type: Literal["step"]
    key: str
    result: NotRequired[Any]


class RaisedLine(OfRun):
    """A step ended with an exception and is tried again, with the same token."""

    type: Literal["raised"]
    key: str
    token: NotRequired[str]
    error: NotRequired[str]


class ProgressLine(AnyLine):
    type: Literal["progress"]
    value: NotRequired[float | None]
    note: NotRequired[str | None]


class ValueLine(OfRun):
    """The line keeps a value: `saved`: the program's own checkpoint; `result`: kept until the task
    settles."""

    type: Literal["saved", "result"]
    value: Any


class EndedLine(OfRun):
    """The work is done and only its output is still to be understood."""

    type: Literal["ended"]
    result: NotRequired[Any]
    exit_code: NotRequired[int | None]


class ArtifactLine(AnyLine):
    type: Literal["artifact"]
    path: str


class AskedLine(OfRun):
    type: Literal["asked"]
    question: str
    text: NotRequired[str]
    before: NotRequired[dict[str, list[int]]]  # by suffix: times of change and of content, in ns


class AnsweredLine(AnyLine):
    type: Literal["answered"]
    question: str
    answer: NotRequired[str]
    text: NotRequired[str | None]


class CalledLine(OfRun):
    """The line answers a call over the bus. `shown`: the marks of the messages in it."""

    type: Literal["called"]
    id: str
    name: NotRequired[str]
    content: NotRequired[Any]
    is_error: NotRequired[bool]
    shown: NotRequired[dict[str, Position]]


class TurnLine(OfRun):
    """The line is a turn of a conversation; what else stands in it depends on its role and on the kind."""

    type: Literal["turn"]
    role: NotRequired[str]


class Question(TypedDict):
    """The question is open, as a snapshot shows it."""

    id: str
    task: str
    run: int
    text: str | None
    at: str
    before: NotRequired[dict[str, list[int]]]


class Answered(Question):
    """The question has an answer."""

    answer: str | None
    reply: str | None


class EndedRun(TypedDict):
    """A run whose output is still being read ended like this."""

    result: Any
    exit_code: int | None
