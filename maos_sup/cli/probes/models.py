"""Says who can be asked here, by which programs, and what confines them. Nothing is bought, no key is
shown.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from maos_sup.agents.endings import Missing
from maos_sup.agents.kinds.claude.starting import find_claude
from maos_sup.agents.kinds.cli.profile import PROFILES
from maos_sup.agents.sandbox import landlock
from maos_sup.agents.sandbox.confine import can_part
from maos_sup.cli.probes.finding import Grade, Probe, ProbeFinding, first_line_of

_ANSWER_S = 2.0  # a server on this host answers at once
_KEYS = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "OPENAI_API_KEY",
    "GEMINI_API_KEY",
)
_OF_CLAUDE = _KEYS[:3]
LOCAL = {"llama.cpp": 8080, "Ollama": 11434, "LM Studio": 1234}
_GET = {
    "codex": "npm install -g @openai/codex",
    "gemini": "npm install -g @google/gemini-cli",
    "opencode": "npm install -g opencode-ai",
}


def model_probes() -> list[Probe]:
    """The probes of keys, servers, programs and the sandbox."""
    return [
        Probe(name="keys", look=_keys),
        Probe(name="model server", look=_servers),
        Probe(name="claude", look=_claude),
        *[Probe(name=name, look=partial(_program, name)) for name in PROFILES],
        Probe(name="sandbox", look=_sandbox),
    ]


def _keys() -> Iterator[ProbeFinding]:
    there = [name for name in _KEYS if os.environ.get(name)]
    if there:
        text = f"{', '.join(there)} set (not tried)"
        yield ProbeFinding(name="keys", grade=Grade.OK, text=text)
    elif os.environ.get("ANTHROPIC_BASE_URL"):
        yield ProbeFinding(name="keys", grade=Grade.OK, text="none; ANTHROPIC_BASE_URL names who is asked")
    else:
        text = "none in the environment: kind anthropic and requests in words have nobody to ask"
        remedy = "export ANTHROPIC_API_KEY=..., or ANTHROPIC_BASE_URL of a local server"
        yield ProbeFinding(name="keys", grade=Grade.MISSING, text=text, remedy=remedy)


def _servers() -> Iterator[ProbeFinding]:
    name, url = "model server", os.environ.get("ANTHROPIC_BASE_URL")
    if url:
        parts = urlsplit(url)
        where = f"{parts.hostname}:{parts.port}" if parts.port else f"{parts.hostname}"
        try:
            status = _answer(parts.scheme, parts.hostname or "", parts.port)
        except (OSError, HTTPException, ValueError) as cause:
            text = f"{where} (ANTHROPIC_BASE_URL) does not answer: {cause or type(cause).__name__}"
            yield ProbeFinding(
                name=name, grade=Grade.WARN, text=text, remedy="start it, or correct ANTHROPIC_BASE_URL"
            )
        else:
            wants_key = status in (401, 403) and not any(os.environ.get(key) for key in _KEYS[:2])
            text = f"{where} (ANTHROPIC_BASE_URL) answers" + (", and wants a key" if wants_key else "")
            remedy = "export ANTHROPIC_API_KEY=..." if wants_key else ""
            yield ProbeFinding(
                name=name, grade=Grade.WARN if wants_key else Grade.OK, text=text, remedy=remedy
            )
        return
    local = [(program, port) for program, port in LOCAL.items() if _listens(port)]
    for program, port in local:
        text = f"something answers at port {port}, where {program} does"
        remedy = f"to use it: export ANTHROPIC_BASE_URL=http://localhost:{port}"
        yield ProbeFinding(name=name, grade=Grade.OK, text=text, remedy=remedy)
    if not local:
        yield ProbeFinding(name=name, grade=Grade.OK, text="none on this host (needed only without a key)")


def _answer(scheme: str, host: str, port: int | None) -> int:
    """Ask for the status of some answer of that server. Raises OSError, HTTPException."""
    made = HTTPSConnection if scheme == "https" else HTTPConnection
    connection = made(host, port, timeout=_ANSWER_S)
    try:
        connection.request("GET", "/v1/models")
        return connection.getresponse().status
    finally:
        connection.close()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_S).close()
    except OSError:
        return False
    return True


def _claude() -> Iterator[ProbeFinding]:
    try:
        program = find_claude(None, os.environ)
    except Missing as cause:
        text, _, remedy = str(cause).rpartition("; ")
        yield ProbeFinding(name="claude", grade=Grade.MISSING, text=text, remedy=remedy)
        return
    version = first_line_of([program, "--version"])
    if any(os.environ.get(name) for name in (*_OF_CLAUDE, "ANTHROPIC_BASE_URL")):
        yield ProbeFinding(name="claude", grade=Grade.OK, text=version)
    else:
        text = f"{version}, but agents have no login: they do not read the one in your home"
        remedy = "export CLAUDE_CODE_OAUTH_TOKEN=... with what 'claude setup-token' prints"
        yield ProbeFinding(name="claude", grade=Grade.WARN, text=text, remedy=remedy)


def _program(name: str) -> Iterator[ProbeFinding]:
    program = shutil.which(name)
    if program is None:
        text = f"not in PATH (only kind cli with profile {name} needs it)"
        yield ProbeFinding(
            name=name, grade=Grade.MISSING, text=text, remedy=_GET.get(name, f"install {name}")
        )
        return
    yield ProbeFinding(name=name, grade=Grade.OK, text=first_line_of([program, "--version"]))


def _sandbox() -> Iterator[ProbeFinding]:
    abi, bwrap = landlock.abi(), shutil.which("bwrap")
    also = ", bubblewrap too" if bwrap else ""
    if abi and can_part():
        text = f"Landlock (version {abi}) and mount namespaces{also}"
        yield ProbeFinding(name="sandbox", grade=Grade.OK, text=text)
    elif abi:
        text = f"Landlock (version {abi}), but no mount namespaces: sockets and devices are less apart{also}"
        remedy = "let programs make user namespaces (docs/sandbox.md)"
        yield ProbeFinding(name="sandbox", grade=Grade.WARN, text=text, remedy=remedy)
    elif bwrap:
        text = "this kernel has no Landlock; bubblewrap is there"
        remedy = 'write sandbox = "bubblewrap" for agents, or they run unconfined'
        yield ProbeFinding(name="sandbox", grade=Grade.WARN, text=text, remedy=remedy)
    else:
        text = "neither Landlock nor bubblewrap: agents with a model may write wherever you may"
        remedy = "use a kernel from 5.13 on with Landlock, or install bubblewrap"
        yield ProbeFinding(name="sandbox", grade=Grade.MISSING, text=text, remedy=remedy)
