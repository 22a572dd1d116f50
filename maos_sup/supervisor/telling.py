"""Tells one event to a person: a program that the supervisor runs, does not wait for, and ends in time.

    python -I -S telling.py desktop|ntfy|webhook|bell [URL]

The event is a JSON object on standard input. Imports nothing of ours: it is run by its path. What goes wrong
is one line on stderr and exit code 1. A URL is in no error: it may be all that is secret of a channel.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

_LONGEST_S = 20
_TITLES = {
    "question": "{agent} asks",
    "budget": "budget used up",
    "task_failed": "task {task} failed",
    "done": "done",
    "failed": "failed",
}
_URGENT = frozenset({"question", "budget", "task_failed", "failed"})
_MOST_CHARACTERS = 1500


def main(channel: str, url: str | None) -> str | None:
    """Tell the event on standard input; what went wrong, None for nothing."""
    event = json.loads(sys.stdin.buffer.read())
    if url is not None and url.startswith("$"):
        name, url = url[1:], os.environ.get(url[1:])
        if not url:
            return f"the variable {name} is not set; set it where the supervisor is started"
    try:
        _CHANNELS[channel](event, url or "")
    except HTTPError as cause:
        cause.close()  # it holds the connection
        return f"the server refuses it: {cause.code} {cause.reason}"
    except (URLError, OSError, ValueError) as cause:
        return f"cannot tell it: {getattr(cause, 'reason', None) or cause}"
    return None


def title_of(event: Mapping[str, Any]) -> str:
    """Write a line for people: what it is, and of which orchestration."""
    what = _TITLES.get(event["event"], "{event}").format_map({"agent": "", "task": "", **event})
    return f"maos-sup: {what} ({event['id']})"


def text_of(event: Mapping[str, Any]) -> str:
    """Say what is to be known, and the command that answers it."""
    text = event["text"][:_MOST_CHARACTERS]
    return f"{text}\n{event['hint']}" if event.get("hint") else text


def _ntfy(event: dict[str, object], url: str) -> None:
    headers = {
        "Title": title_of(event).encode("ascii", "replace").decode(),
        "Priority": "high" if event["event"] in _URGENT else "default",
        "Tags": "question" if event["event"] == "question" else "robot",
    }
    _post(url, text_of(event).encode(), headers)


def _webhook(event: dict[str, object], url: str) -> None:
    body = json.dumps({"text": f"*{title_of(event)}*\n{text_of(event)}"})
    _post(url, body.encode(), {"Content-Type": "application/json"})


def _post(url: str, body: bytes, headers: dict[str, str]) -> None:
    request = Request(url, data=body, headers=headers, method="POST")
    with urlopen(request, timeout=_LONGEST_S) as answer:
        answer.read(1)


def _desktop(event: dict[str, object], url: str) -> None:
    title, text = title_of(event), text_of(event)
    if shutil.which("notify-send"):
        urgency = "critical" if event["event"] in _URGENT else "normal"
        argv = ["notify-send", "--app-name=maos-sup", f"--urgency={urgency}", "--", title, text]
    elif shutil.which("osascript"):
        words = [json.dumps(word, ensure_ascii=False) for word in (text, title)]  # it knows no \\u
        said = f"display notification {words[0]} with title {words[1]}"
        argv = ["osascript", "-e", said]
    else:
        raise OSError("neither notify-send nor osascript is here; install libnotify, or use another channel")
    done = subprocess.run(argv, capture_output=True, timeout=_LONGEST_S, check=False)
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise OSError(f"{argv[0]}: {' '.join(last) or f'exit code {done.returncode}'}")


def _bell(event: dict[str, object], url: str) -> None:
    """Ring in the user's terminals that take messages (`mesg n` says no)."""
    for path in (Path("/dev/pts")).glob("[0-9]*"):
        try:
            found = path.stat()
            if found.st_uid != os.geteuid() or not found.st_mode & stat.S_IWGRP:
                continue
            descriptor = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            os.write(descriptor, b"\a")
        except OSError:
            continue
        finally:
            os.close(descriptor)


_CHANNELS = {"ntfy": _ntfy, "webhook": _webhook, "desktop": _desktop, "bell": _bell}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
