"""A client of the bus for tests: starts `maos-sup mcp` as MCP clients do and speaks the protocol to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from ready import is_ready

DEADLINE_S = 100.0


class Bus:
    """One bus process and the client's end of its pipes."""

    def __init__(self, root: Path, agent: str, *, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "maos_sup", "mcp", str(root), "--agent", agent],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._buffer = b""
        self._last_id = 0
        self.seen: list[dict[str, Any]] = []  # messages that answered nothing that was waited for

    def __enter__(self) -> Bus:
        return self

    def __exit__(
        self, type_: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def send_raw(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, message: Mapping[str, Any]) -> None:
        self.send_raw(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def begin(self, method: str, params: Mapping[str, Any] | None = None) -> int:
        """Send a request; its id."""
        self._last_id += 1
        self.send({"id": self._last_id, "method": method, "params": dict(params or {})})
        return self._last_id

    def receive(self, *, deadline_s: float = DEADLINE_S) -> dict[str, Any]:
        """The next message. Fails if there is none in time."""
        assert self.process.stdout is not None
        end_s = time.monotonic() + deadline_s
        while b"\n" not in self._buffer:
            left_s = max(0.0, end_s - time.monotonic())
            assert is_ready(self.process.stdout.fileno(), left_s), f"no answer within {deadline_s:g} s"
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            assert data, f"the bus closed its end, exit code {self.process.wait()}: {self._complaint()}"
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        assert message["jsonrpc"] == "2.0"
        return message

    def wait(self, id_: int) -> dict[str, Any]:
        """The response to the request `id_`."""
        for message in self.seen:
            if message.get("id") == id_:
                self.seen.remove(message)
                return message
        while (message := self.receive()).get("id") != id_:
            self.seen.append(message)
        return message

    def request(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self.wait(self.begin(method, params))

    def begin_call(self, name: str, arguments: Mapping[str, Any], *, use: str | None = None) -> int:
        meta = {} if use is None else {"_meta": {"claudecode/toolUseId": use}}
        return self.begin("tools/call", {"name": name, "arguments": dict(arguments), **meta})

    def wait_call(self, id_: int) -> tuple[str, bool]:
        """Text of the answer, and whether it is an error."""
        result = self.wait(id_)["result"]
        return result["content"][0]["text"], result["isError"]

    def call(self, name: str, arguments: Mapping[str, Any] | None = None, *, use: str | None = None) -> str:
        """A call that succeeds; its text."""
        text, is_error = self.wait_call(self.begin_call(name, arguments or {}, use=use))
        assert not is_error, text
        return text

    def refused(self, name: str, arguments: Mapping[str, Any] | None = None) -> str:
        """A call that fails; its text."""
        text, is_error = self.wait_call(self.begin_call(name, arguments or {}))
        assert is_error, text
        return text

    def _complaint(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()
