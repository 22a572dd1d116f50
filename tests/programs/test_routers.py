"""Routers in front of other servers: a task, a 429 and a budget with each real one, as docs/models.md says.

`make programs` installs both, LiteLLM by uv into .venv/litellm; a test whose router is not there is skipped.
Behind each is the loopback server's dialect of chat completions. LiteLLM takes long to start, so one of
its two pairs is for the long form.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from orchestra import Orchestra, wait_for
from payers import PAYERS, Books, spender
from real_cast import Cast
from real_programs import programs_folder
from real_rows import IS_LONG, KEY

from maos_sup.loopback.reply import ScriptedReply
from maos_sup.loopback.request import LoopbackRequest

pytestmark = pytest.mark.timeout(3000)
STEPS = 12
PAIRS = ("anthropic-ccr", "claude-ccr", "anthropic-litellm", *(["claude-litellm"] if IS_LONG else []))
CAP = {"anthropic": 8000, "claude": 70_000}  # tokens: a prompt of Claude Code's is expected to have 20,000
ANSWER = {"anthropic": 1000, "claude": 9000}  # tokens of a prompt, so that the cap is reached before the end


@dataclass(kw_only=True)
class Router:
    """A router that runs: its URL, and where it says what."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def is_up(self, path: str) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        with suppress(OSError), urllib.request.urlopen(f"{self.url}{path}", timeout=5) as response:
            return bool(response.status == 200)
        return False


def _start(name: str, argv: list[str], *, folder: Path, port: int, **more: str) -> Router:
    log = folder / f"{name}.log"
    environment = {**os.environ, "HOME": str(folder), **more}
    with log.open("wb") as output:
        process = subprocess.Popen(argv, env=environment, stdout=output, stderr=output, cwd=folder)
    return Router(name=name, url=f"http://127.0.0.1:{port}", process=process, log=log)


def _ccr(server: str, folder: Path, port: int, program: Callable[[str], str]) -> Router:
    provider = {
        "name": "loop",
        "api_base_url": f"{server}/v1/chat/completions",
        "api_key": KEY,
        "models": ["m"],
    }
    settings = {"PORT": port, "HOST": "127.0.0.1", "NON_INTERACTIVE_MODE": True, "LOG": False}
    home = folder / ".claude-code-router"
    home.mkdir()
    (home / "config.json").write_text(
        json.dumps(settings | {"Providers": [provider], "Router": {"default": "loop,m"}})
    )
    made = _start("ccr", [program("claude-code-router"), "start"], folder=folder, port=port)
    wait_for(lambda: made.is_up("/health"), "the router", deadline_s=60, told=made.log.read_text)
    return made


def _litellm(server: str, folder: Path, port: int, program: Callable[[str], str]) -> Router:
    path = programs_folder() / "litellm" / "bin" / "litellm"
    if not path.exists():
        pytest.skip("LiteLLM is not installed (make programs)")
    parameters = {"model": "hosted_vllm/m", "api_base": f"{server}/v1", "api_key": KEY}
    settings = folder / "litellm.yaml"
    settings.write_text(json.dumps({"model_list": [{"model_name": "m", "litellm_params": parameters}]}))
    argv = [str(path), "--config", str(settings), "--host", "127.0.0.1", "--port", str(port)]
    secrets = {"LITELLM_MASTER_KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    made = _start("litellm", argv, folder=folder, port=port, **secrets)
    wait_for(lambda: made.is_up("/health/liveliness"), "the router", deadline_s=120, told=made.log.read_text)
    return made


ROUTERS: Mapping[str, Callable[..., Router]] = {"ccr": _ccr, "litellm": _litellm}


@pytest.fixture(params=PAIRS)
def routed(
    request: pytest.FixtureRequest, at_home: Orchestra, program: Callable[[str], str]
) -> Iterator[tuple[Cast, Router]]:
    """A cast whose agent asks a router; behind the router is the cast's server."""
    kind, _, name = request.param.partition("-")
    row = PAYERS[kind]
    cast = Cast(row, at_home, sys.executable if row.program is None else program(row.program))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = at_home.folder / "router"
    folder.mkdir()
    router: Router | None = None
    try:
        router = ROUTERS[name](cast.server.url, folder, port, program)
        yield cast, router
    finally:
        cast.close()
        if router is not None:
            router.process.kill()
            router.process.wait()


def test_task_a_limit_and_a_cap_of_tokens_go_as_without_a_router(routed: tuple[Cast, Router]) -> None:
    cast, router = routed
    cap = CAP[cast.row.kind]
    plan, usage = (
        spender(cast, {2: 429}, steps=STEPS),
        {"input_tokens": ANSWER[cast.row.kind], "output_tokens": 90},
    )

    def script(request: LoopbackRequest) -> ScriptedReply:
        return replace(plan(request), usage=usage)

    cast.begin(script, base_url=router.url, model="m", budget={"max_tokens": cap})

    cast.wait(lambda: "max_tokens" in cast.orchestra.told() or cast.orchestra.phase() == "done", "the cap")
    asked = len(cast.asked())
    assert 2 <= len(cast.answers()) < STEPS, cast.told()
    assert cast.spent() <= cap
    cast.orchestra.do("set", "agents/ann.budget.max_tokens", str(100 * cap))
    cast.wait_rest("done")

    books = Books.of(cast)
    assert cast.orchestra.task("ann")["result"] == "All steps are done, and each is paid for."
    assert len(set(cast.ran())) == len(cast.ran()) == STEPS, cast.told()
    assert len(cast.asked()) >= asked
    assert [answer for answer in cast.server.log.answers("error") if answer["status"] == 429]
    warnings = [entry["text"] for entry in cast.journal("warning") if "does not say what" in entry["text"]]
    assert bool(warnings) == (router.name == "ccr")  # which tells 0 for all
    if router.name == "litellm":
        assert books.ledger == books.charged, books
    else:  # what nobody tells is estimated by the length of the question
        assert books.ledger >= 0.9 * books.charged, books
