"""Keeps what an agent under torture leaves outside of its tree, so that the tree can be held against it.

`$OUT/<name of the tree>/<agent>.jsonl`: `["intent", kind, n, when, process, attempt]` before each deed, the
same with `"done"` after it, each synced; `when` is monotonic, so that histories can be checked. Whoever
writes there holds a lock for as long as it lives: a second holder is a violation, as is a living process of
an earlier attempt. Violations are appended to a file that must stay empty.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

KEYS = ("MAOS_DIR", "MAOS_AGENT", "MAOS_ATTEMPT", "MAOS_MARK")


def home() -> Path:
    """Find where the agents of this tree leave word."""
    return Path(os.environ["OUT"]) / Path(os.environ["MAOS_DIR"]).name


def is_over(task: str | None = None) -> bool:
    """The test wants an end, of all or of this task."""
    return (home() / "finish").exists() or (task is not None and (home() / f"settle-{task}").exists())


def violation(text: str) -> None:
    """Say what must not be."""
    where = {key: os.environ.get(key) for key in KEYS}
    with (home() / "violations").open("a") as file:
        file.write(f"{text}; pid={os.getpid()} {where}\n")


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, however long the disk is full."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except OSError:
            time.sleep(0.05)


class Ledger:
    """The ledger of one agent, open and locked until the process ends."""

    def __init__(self, agent: str) -> None:
        home().mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._lock = os.open(home() / f"{agent}.lock", flags, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            violation(f"two processes of {agent} alive")
        self._path = home() / f"{agent}.jsonl"
        self._file = os.open(self._path, flags, 0o600)
        self._last: dict[tuple[str, str], int] = {}
        for word, kind, n, *_ in entries(self._path):
            self._last[word, kind] = n

    def last(self, word: str, kind: str) -> int:
        """The newest number of this kind."""
        return self._last.get((word, kind), 0)

    def intend(self, kind: str) -> int:
        """Take the next number and say that it is about to be used."""
        n = self.last("intent", kind) + 1
        self._append("intent", kind, n)
        return n

    def done(self, kind: str, n: int) -> None:
        """Say that the deed is done."""
        self._append("done", kind, n)

    def _append(self, word: str, kind: str, n: int) -> None:
        self._last[word, kind] = n
        who = [time.monotonic_ns(), os.getpid(), int(os.environ["MAOS_ATTEMPT"])]
        write_all(self._file, json.dumps([word, kind, n, *who]).encode() + b"\n")
        os.fsync(self._file)  # fdatasync is made to fail for agents, not for this


def entries(path: Path) -> list[Any]:
    """The whole lines of a ledger."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def report_elders() -> None:
    """Report processes of earlier attempts of this agent that still live."""
    tree_and_agent, _, attempt = os.environ["MAOS_MARK"].rpartition(":")
    start = f"MAOS_MARK={tree_and_agent}:".encode()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            words = (process / "environ").read_bytes().split(b"\0")
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        for word in words:
            if word.startswith(start) and int(word[len(start) :]) < int(attempt):
                violation(
                    f"still alive of attempt {word.rpartition(b':')[2].decode()}: {process.name} {command}"
                )
