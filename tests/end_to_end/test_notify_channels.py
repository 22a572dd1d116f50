"""The ready channels of [notify]: what a server, a desktop, a terminal gets, with the command to type."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from orchestra import Orchestra

from maos_sup.supervisor import channels
from maos_sup.supervisor.channels import hint_of, ways_of
from state_layout.records import Channels

PROGRAM = Path(channels.__file__).with_name("telling.py")
EVENT = {
    "id": "20261121-0142-audit-7f3k",
    "key": "question/dba-1",
    "event": "question",
    "text": "sqlite or postgres? Ümläut",
    "agent": "dba",
    "question": "dba-1",
    "hint": "maos-sup answer 20261121-0142-audit-7f3k dba-1 ANSWER",
}


class Inbox(ThreadingHTTPServer):
    """A server that keeps what is posted to it: (path, headers, body)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posts: list[tuple[str, dict[str, str], str]] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        assert isinstance(self.server, Inbox)
        self.server.posts.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def tell(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", str(PROGRAM), *arguments],
        input=json.dumps(EVENT),
        env={"PATH": os.environ["PATH"], **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_ntfy_gets_title_text_and_the_command(inbox: Inbox) -> None:
    assert tell("ntfy", f"{inbox.url}/me").returncode == 0
    path, headers, body = inbox.posts[0]
    assert path == "/me"
    assert (headers["Title"], headers["Priority"]) == (
        "maos-sup: dba asks (20261121-0142-audit-7f3k)",
        "high",
    )
    assert body == f"{EVENT['text']}\n{EVENT['hint']}"


def test_a_webhook_gets_a_text_as_slack_takes_it(inbox: Inbox) -> None:
    assert tell("webhook", "$HOOK", HOOK=f"{inbox.url}/services/T0/B0").returncode == 0
    path, headers, body = inbox.posts[0]
    assert (path, headers["Content-Type"]) == ("/services/T0/B0", "application/json")
    text = json.loads(body)["text"]
    assert text.startswith("*maos-sup: dba asks")
    assert str(EVENT["hint"]) in text


def test_the_desktop_is_told_by_its_own_program(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "notify-send").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {out}\n')
    (tmp_path / "notify-send").chmod(0o755)
    assert tell("desktop", PATH=f"{tmp_path}:/usr/bin:/bin").returncode == 0
    assert "--urgency=critical" in out.read_text()
    assert str(EVENT["hint"]) in out.read_text()
    done = tell("desktop", PATH=str(tmp_path / "none"))
    assert (done.returncode, "neither notify-send nor osascript is here" in done.stderr) == (1, True)


def test_the_bell_rings_in_terminals_that_take_messages() -> None:
    master, slave = pty.openpty()
    try:
        os.fchmod(slave, 0o620)
        os.set_blocking(master, False)
        assert tell("bell").returncode == 0
        assert os.read(master, 10) == b"\a"
        os.fchmod(slave, 0o600)  # mesg n
        assert tell("bell").returncode == 0
        with pytest.raises(BlockingIOError):
            os.read(master, 10)
    finally:
        os.close(master)
        os.close(slave)


def test_what_goes_wrong_is_one_line_without_the_url(inbox: Inbox) -> None:
    inbox.status = 403
    for done, words in (
        (tell("ntfy", f"{inbox.url}/secret-topic"), "the server refuses it: 403"),
        (tell("webhook", "http://127.0.0.1:9/secret-topic"), "cannot tell it: "),
        (tell("webhook", "$NOT_SET"), "the variable NOT_SET is not set"),
    ):
        assert done.returncode == 1
        assert done.stderr.startswith(words), done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert "secret-topic" not in done.stderr


def test_each_event_hints_at_the_command_that_helps() -> None:
    told = {
        "id": "x",
        "agent": "ann",
        "task": "t",
        "question": "ann-1",
        "text": "budget of ann used up: 5 of 5 USD",
    }
    hints = {
        event: hint_of({**told, "event": event}) for event in ("budget", "task_failed", "done", "failed")
    }
    assert hints == {
        "budget": "maos-sup set x agents/ann.budget.max_cost_usd AMOUNT",
        "task_failed": "maos-sup retry x --task t",
        "done": "maos-sup results x",
        "failed": "maos-sup status x",
    }
    leave = {**told, "event": "question", "text": "May ann run bash with {}?"}
    assert hint_of(leave) == "maos-sup answer x ann-1 yes|no"


def test_no_way_is_wanted_by_default_and_a_former_spec_still_means_its_command() -> None:
    assert [*ways_of(Channels())] == []
    ways = [*ways_of(Channels.of({"command": ["a", "b"], "bell": True, "later": 1}))]
    assert [(way.name, way.argv[0]) for way in ways] == [("command", "a"), ("bell", sys.executable)]


def test_a_team_tells_all_channels_and_a_bad_one_is_a_note(orchestra: Orchestra, inbox: Inbox) -> None:
    notify = {"ntfy": f"{inbox.url}/me", "webhook": "http://127.0.0.1:9/hook"}
    orchestra.run({"ann": "true"}, notify=notify)
    notes = orchestra.wait_rest("done")["notes"]
    assert any(note.startswith("notify: the webhook for done/") for note in notes)
    (_, headers, body), *more = inbox.posts
    assert more == []
    assert headers["Title"].startswith("maos-sup: done (")
    assert body.splitlines()[0].startswith("1 task, 0 failed: ")
    assert body.splitlines()[1].startswith("maos-sup results ")


def test_macos_is_told_in_its_own_script_with_letters_as_they_are(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "osascript").write_text(f'#!/bin/sh\nprintf "%s\\n" "$2" > {out}\n')
    (tmp_path / "osascript").chmod(0o755)
    assert tell("desktop", PATH=str(tmp_path)).returncode == 0
    said = out.read_text()
    assert said.startswith('display notification "sqlite or postgres? Ümläut\\n')
    assert 'with title "maos-sup: dba asks' in said
