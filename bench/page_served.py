"""A server of the page and a browser for it, for measurements of what people see."""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from state_layout.paths import Tree

_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


class NoBrowser(Exception):
    """There is no Chromium here, or nothing that drives it."""


class Served(NamedTuple):
    """A server, where it is, and how long it took until its address was printed."""

    process: subprocess.Popen[str]
    address: str
    took_s: float
    key: str


@contextmanager
def serving(tree: Tree) -> Iterator[Served]:
    began_s, key = time.perf_counter(), secrets.token_hex(32)
    with tempfile.NamedTemporaryFile("w", prefix="bench-key-") as file:
        file.write(key)
        file.flush()
        process = subprocess.Popen(
            [sys.executable, "-m", "maos_sup", "ui", str(tree.root), "--key-file", file.name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            yield Served(process, address, time.perf_counter() - began_s, key)
        finally:
            process.terminate()
            process.wait(timeout=60)


@contextmanager
def asking(served: Served) -> Iterator[Callable[[str], Any]]:
    """Enter, and give a function that asks for JSON."""
    connection = http.client.HTTPConnection(urlsplit(served.address).netloc, timeout=120)
    connection.request("GET", f"/enter?key={served.key}")
    answer = connection.getresponse()
    cookie = str(answer.headers["set-cookie"]).partition(";")[0]
    (key,) = re.findall(r'page-key" content="([\w-]+)"', answer.read().decode())

    def told(path: str) -> Any:
        connection.request("GET", path, headers={"cookie": cookie, "x-maos-key": key})
        return json.loads(connection.getresponse().read())

    try:
        yield told
    finally:
        connection.close()


@contextmanager
def opened_page() -> Iterator[Any]:
    """An empty page of a browser that was started for it. Raises NoBrowser."""
    program = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as cause:
        raise NoBrowser("playwright is not installed") from cause
    if program is None:
        raise NoBrowser("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        try:
            page = browser.new_page(viewport={"width": 1600, "height": 900})
            page.goto("about:blank")
            yield page
        finally:
            browser.close()


def cpu_s(pid: int) -> float:
    """CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Proportional memory of a process."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(text.partition("\nPss:")[2].split()[0]) / 1000
