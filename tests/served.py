"""A server of the page under test: started as people start it, asked with requests made by hand."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """Holds what the server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Server:
    """One running server, and what a browser that entered has: a cookie and the page's own key."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process, self.address = process, address
        found = re.fullmatch(r"http://([\d.]+):(\d+)(/enter\?key=\S+)", address)
        assert found is not None, address
        self.host, self.port, self.enter = found[1], int(found[2]), found[3]
        self.cookie, self.page_key = "", ""

    @property
    def origin(self) -> str:
        return f"http://{self.host}:{self.port}"

    def come_in(self) -> None:
        """Use the key up."""
        answer = self.ask("GET", self.enter, own=False)
        assert answer.status == 200, answer
        self.cookie = answer.headers["set-cookie"].partition(";")[0]
        (self.page_key,) = re.findall(r'name="page-key" content="([\w-]+)"', answer.body.decode())

    def ask(
        self, method: str, path: str, body: bytes | None = None, *, own: bool = True, **headers: str | None
    ) -> Answer:
        """A request; `own`: as the page asks. `headers`: `content_type`, ...; None leaves one out."""
        told: dict[str, str | None] = {"host": f"{self.host}:{self.port}"}
        if own:
            told |= {"cookie": self.cookie, "x-maos-key": self.page_key, "origin": self.origin}
            told |= {"sec-fetch-site": "same-origin"}
            told |= {"content-type": "application/json"} if body is not None else {}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and "content-length" not in told:
            told["content-length"] = str(len(body))
        return self.send(
            method, path, [(name, value) for name, value in told.items() if value is not None], body
        )

    def send(
        self, method: str, path: str, headers: list[tuple[str, str]], body: bytes | None = None
    ) -> Answer:
        """A request of exactly these headers."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    def act(self, key: str, act: str, **fields: Any) -> Answer:
        """Steer, as the page does."""
        return self.ask("POST", f"/api/t/{key}/act", json.dumps({"act": act, **fields}).encode())

    def key(self) -> str:
        """The key of the only tree."""
        (tree,) = self.ask("GET", "/api/trees").told["trees"]
        return str(tree["key"])


@contextmanager
def serving(*words: str, environment: dict[str, str] | None = None) -> Iterator[Server]:
    """`maos-sup ui` with these words, until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "maos_sup", "ui", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment or dict(os.environ),
    )
    assert process.stdout is not None
    try:
        yield Server(process, process.stdout.readline().strip())
    finally:
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert "Traceback" not in said, said
