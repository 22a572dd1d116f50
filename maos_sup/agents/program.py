"""Says what the program of an agent may do from a shell: the verbs of `maos-sup agent`, given its
environment.

Everything asked of the agent is one control line in one append, durable when the call returns: it is carried
out once, whoever dies. Reading is done from the tree's files alone. Nothing here needs the agent to live.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maos_sup.agents.bus.permits import EVERYTHING, Permits, permits_of, tool_of
from maos_sup.agents.control.control_file import append_control
from maos_sup.agents.control.control_lines import BadLine, message_of, parse
from maos_sup.agents.output.artifacts import hand_over
from maos_sup.agents.secrets.redaction import Redactor
from state_layout.errors import BadInput, storage_error
from state_layout.files import codec
from state_layout.files.reading import read_record
from state_layout.lives.history import Mark, as_mark
from state_layout.lives.snapshots import agent_snapshot, read_snapshot
from state_layout.mail.boxes import check_recipient
from state_layout.mail.inbox import Inbox
from state_layout.paths import Tree, checked_name
from state_layout.records import AgentSpec, Message
from state_layout.specs.approvals import Approval, answer_of, question_id
from state_layout.tree import open_tree

if TYPE_CHECKING:
    from state_layout.records.snapshots import AgentSnapshot

_LOOK_S = 0.2
Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallingProgram:
    """The program is that of one task of one life of an agent."""

    tree: Tree
    agent: str
    attempt: int
    task: str
    run: int

    @classmethod
    def of(cls, environment: Environment) -> CallingProgram:
        """Read it from the environment that agents give their programs. Raises BadInput, NotATree."""
        missing = [key for key in ("MAOS_DIR", "MAOS_AGENT", "MAOS_ATTEMPT") if not environment.get(key)]
        if missing:
            raise BadInput(f"{missing[0]} is not set: this is for the programs of agents, run by their agent")
        number = environment["MAOS_ATTEMPT"]
        if not number.isdecimal():
            raise BadInput(f"MAOS_ATTEMPT is {number!r}; leave it as the agent set it")
        return cls(
            tree=open_tree(Path(environment["MAOS_DIR"])),
            agent=checked_name(environment["MAOS_AGENT"], "MAOS_AGENT"),
            attempt=int(number),
            task=environment.get("MAOS_TASK_ID", ""),
            run=int(environment.get("MAOS_RUN", "1")),
        )

    @property
    def control(self) -> Path:
        """The file of control lines is here."""
        return self.tree.agent(self.agent).attempt(self.attempt).control


def send(
    environment: Environment,
    to: str,
    *,
    text: str | None = None,
    body: Any = None,
    type: str = "info",
    reply_to: str | None = None,
) -> None:
    """Send a message to agent `to`, or to `all`. Raises BadInput, StorageError."""
    program = CallingProgram.of(environment)
    told = {"to": to, "text": text, "body": body, "type": type, "reply_to": reply_to}
    try:
        message = message_of(told)
    except BadLine as cause:
        raise BadInput(str(cause)) from cause
    check_recipient(program.tree, to)
    _say(environment, {"send": message})


def discover(environment: Environment, text: str) -> None:
    """Tell a discovery to all agents. Raises BadInput, StorageError."""
    _say(environment, {"discovery": text})


def progress(environment: Environment, value: float, *, note: str | None = None) -> None:
    """Say how far it is, 1 for all done. Raises BadInput, StorageError."""
    told = {"progress": value} | ({} if note is None else {"note": note})
    _say(environment, told)


def checkpoint(environment: Environment, value: Any) -> None:
    """Keep `value` for the next attempt, which finds it in the file MAOS_CHECKPOINT. Raises StorageError."""
    _say(environment, {"checkpoint": value})


def saved(environment: Environment) -> Any:
    """Read what an earlier attempt at this run of the task kept; None if it kept nothing. Raises BadInput."""
    try:
        path = Path(environment["MAOS_CHECKPOINT"])
        return codec.decode(read_record(path))
    except (KeyError, FileNotFoundError):
        return None
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
    except codec.NotJson as cause:
        raise BadInput(f"{environment['MAOS_CHECKPOINT']}: {cause}") from cause


def result(environment: Environment, value: Any) -> None:
    """Say what the task came to; it counts when the program ends with exit code 0. Raises StorageError."""
    _say(environment, {"result": value})


def artifact(environment: Environment, path: str) -> Path:
    """Hand over a file; where it is kept. Raises BadInput for what is no file, StorageError."""
    program = CallingProgram.of(environment)
    name = hand_over(path, tree=program.tree, agent=program.agent, near=Path.cwd())
    _say(environment, {"artifact": name})
    return program.tree.agent(program.agent).artifacts / name


def inbox(environment: Environment, *, limit: int | None = None, is_ack: bool = False) -> list[Message]:
    """The messages not acknowledged yet; with `is_ack` they are from now on. Raises Damaged, StorageError.

    At least once: a program that dies between the two gets them again.
    """
    program = CallingProgram.of(environment)
    with closing(Inbox(program.tree, program.agent, marks=_marks(program))) as box:
        messages, marks = box.fetch(limit)
    if is_ack and marks:
        _say(environment, {"ack": {key: mark[0] for key, mark in marks.items()}})
    return messages


def ack(environment: Environment, message_ids: list[str]) -> None:
    """Acknowledge messages by id ("<from>/<to>/<seq>") and all before them. Raises BadInput."""
    acks: dict[str, int] = {}
    for id_ in message_ids:
        sender, _, rest = id_.partition("/")
        to, _, seq = rest.partition("/")
        if not seq.isdecimal() or not sender:
            raise BadInput(f"message id {id_!r}: use one as 'inbox' shows it, like alice/bob/3")
        acks[f"{to}/{sender}"] = max(int(seq), acks.get(f"{to}/{sender}", 0))
    if acks:
        _say(environment, {"ack": acks})


def ask(environment: Environment, question: str, *, timeout_s: float | None = None) -> Approval | None:
    """Ask a person and wait for the answer; None after `timeout_s`. Raises BadInput, StorageError.

    The same question in the same run of the task has the same answer.
    """
    program, question = CallingProgram.of(environment), Redactor(environment).text(question)
    id_ = question_id(program.agent, program.task, program.run, question)
    until_s = None if timeout_s is None else time.monotonic() + timeout_s
    is_asked = False
    while True:
        status = _status(program)
        for known in status.get("answers") or ():
            if known["id"] == id_:
                return Approval(is_yes=known["answer"] == "yes", text=known.get("reply") or "")
        asked = next((known for known in status.get("questions") or () if known["id"] == id_), None)
        if asked is None and not is_asked:
            _say(environment, {"ask": question})
            is_asked = True
        elif asked is not None and (answer := answer_of(program.tree, asked)) is not None:
            return answer
        if until_s is not None and time.monotonic() >= until_s:
            return None
        time.sleep(_LOOK_S)


def _say(environment: Environment, value: Mapping[str, Any]) -> None:
    """Append one control line, without secrets. Raises BadInput for what would be refused, StorageError."""
    program = CallingProgram.of(environment)
    verb = next(iter(value))
    tool = tool_of(verb, value[verb])
    refusal = None if tool is None else _permits(program).refusal(tool)
    if refusal is not None:
        raise BadInput(refusal)
    append_control(program.control, Redactor(environment).value(value))


def _permits(program: CallingProgram) -> Permits:
    """Read what the agent lets its programs ask for: to tell at once, for the agent decides by itself."""
    try:
        told = codec.decode_object(read_record(program.tree.agent_spec(program.agent)))
        spec = AgentSpec(name=program.agent, kind=told["kind"], settings=told)
        return permits_of(spec)
    except (OSError, KeyError, TypeError, codec.NotJson, BadInput):
        return EVERYTHING


def _marks(program: CallingProgram) -> dict[str, Mark]:
    """Tell how far mail was acknowledged: what the agent recorded, and control lines it has not seen yet."""
    told = _status(program).get("mail_marks") or {}
    marks = {key: as_mark(mark) for key, mark in told.items()}
    with closing(Inbox(program.tree, program.agent, marks=marks)) as box:
        for key, seq in _acks(program.control).items():
            marks[key] = box.mark_at(key, seq)
    return marks


def _acks(control: Path) -> dict[str, int]:
    acks: dict[str, int] = {}
    try:
        data = read_record(control)
    except FileNotFoundError:
        return acks
    except OSError as cause:
        raise storage_error("read", control, cause) from cause
    for line in data.split(b"\n") if b'"ack"' in data else ():
        if b'"ack"' not in line:
            continue
        try:
            request = parse(line)
        except BadLine:
            continue
        if request.verb == "ack":
            for key, seq in request.value.items():
                acks[key] = max(seq, acks.get(key, 0))
    return acks


def _status(program: CallingProgram) -> AgentSnapshot:
    return agent_snapshot(read_snapshot(program.tree.agent(program.agent).status))


__all__ = [
    "CallingProgram",
    "ack",
    "artifact",
    "ask",
    "checkpoint",
    "discover",
    "inbox",
    "progress",
    "result",
    "saved",
    "send",
]
