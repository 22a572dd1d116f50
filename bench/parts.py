"""Runs each part in a process of its own: one that fails or hangs is a row of the report, the rest goes on.

What a part leaves behind, folders and processes, is removed: processes are known by the mark that every
descendant inherits, so nobody else's is touched.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from bench.figures import MARK, SCRATCH, Row, Section, words

MOST_S = 900.0  # for one part
Measure = Callable[[], list[Section]]


def run_part(name: str) -> list[Section]:
    """Measure part `name` in another process; a failure is a section that says why."""
    mark = uuid.uuid4().hex
    folder = Path(tempfile.mkdtemp(prefix=".bench-", dir=Path.cwd()))
    environment = os.environ | {MARK: mark, SCRATCH: str(folder)}
    answer = folder / "sections.json"
    try:
        why = _run([sys.executable, "-m", "bench", "--part", name, str(answer)], environment)
        if why is not None:
            return [_failed(name, why)]
        return [Section.from_json(value) for value in json.loads(answer.read_text())]
    finally:
        end_processes(mark)
        shutil.rmtree(folder, ignore_errors=True)


def answer_part(name: str, measure: Measure, answer: Path) -> int:
    """Be the other process: measure, write the sections to `answer`."""
    try:
        sections = measure()
    except Exception as cause:  # noqa: BLE001 - whatever it is, it goes to the report
        traceback.print_exc()
        sections = [_failed(name, words(cause))]
    answer.write_text(json.dumps([section.to_json() for section in sections]))
    return 0


def end_processes(mark: str) -> None:
    """SIGKILL every process with `mark` in its environment, until there is none."""
    for _ in range(100):
        pids = list(_marked(mark))
        if not pids:
            return
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _run(command: list[str], environment: dict[str, str]) -> str | None:
    """Run to the end or to the limit; why it failed, if it did."""
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        code = process.wait(MOST_S)
    except subprocess.TimeoutExpired:
        return f"not ended after {MOST_S:.0f} s"
    finally:
        process.kill()
        process.wait()
    return f"ended with exit code {code}" if code else None


def _marked(mark: str) -> Iterator[int]:
    needle = f"{MARK}={mark}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            if needle in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)


def _failed(name: str, why: str) -> Section:
    row = Row(name=name, value=f"not measured: {why}", met=False)
    return Section(title=f"{name}: failed", note="", rows=[row])
