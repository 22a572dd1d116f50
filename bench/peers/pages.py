"""Prefect's local server and its page, with as many runs: what people know."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.figures import ROUNDS, Row, not_run, scratch, spread
from bench.page_served import NoBrowser, memory_mb, opened_page
from bench.peers import install

_PATIENCE_S = 180.0
_STATE = {"type": "COMPLETED"}


def rows(runs: int) -> Iterator[Row]:
    """Its start, its memory, and the first drawing of its list of runs."""
    name = f"Prefect's server and page, {runs} runs"
    try:
        install.require("prefect")
        with scratch() as folder, _serving(folder) as (port, took_s, pid):
            _fill(port, runs)
            paints = [_paint_s(port) for _ in range(ROUNDS)]
            used_mb = memory_mb(pid)
    except (install.Absent, NoBrowser, TimeoutError) as cause:
        yield not_run(name, str(cause))
        return
    version = install.versions()["prefect"]
    yield Row(name=f"Prefect {version}: server up", value=f"{took_s:.1f} s")
    yield Row(name=f"Prefect: first drawing of a list of {runs} runs", value=spread(paints, "s", 2))
    yield Row(name="Prefect: memory of its server then", value=f"{used_mb:.0f} MB")


@contextmanager
def _serving(folder: Path) -> Iterator[tuple[int, float, int]]:
    """A server with a database of its own: its port, how long its start took, its process."""
    port = _free_port()
    more = {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_UI_API_URL": f"http://127.0.0.1:{port}/api",  # its page asks port 4200 otherwise
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    began_s = time.perf_counter()
    process = subprocess.Popen(
        [install.program("prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)],
        env=os.environ | more,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while not _is_up(port):
            if process.poll() is not None or time.perf_counter() - began_s > _PATIENCE_S:
                raise TimeoutError("it did not come up")
            time.sleep(0.02)
        yield port, time.perf_counter() - began_s, process.pid
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_up(port: int) -> bool:
    try:
        return bool(_asked(port, "GET", "/api/health"))
    except (OSError, http.client.HTTPException):
        return False


def _asked(port: int, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"content-type": "application/json"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def _fill(port: int, runs: int) -> None:
    flow = _asked(port, "POST", "/api/flows/", {"name": "bench"})["id"]
    for number in range(runs):
        told = {"flow_id": flow, "name": f"run-{number:04}", "state": _STATE}
        _asked(port, "POST", "/api/flow_runs/", told)


def _paint_s(port: int) -> float:
    with opened_page() as page:
        began_s = time.perf_counter()
        page.goto(f"http://127.0.0.1:{port}/runs")
        page.get_by_text("run-0").first.wait_for(timeout=60_000)
        return time.perf_counter() - began_s
