"""`check --shared DIR`: whether a folder can carry a tree whose agents live on several machines."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

from msgspec import Struct

from maos_sup.cli import edge
from maos_sup.cli.says import say, say_json
from maos_sup.launchers.slurm.accounting import account_command
from maos_sup.launchers.slurm.calling import ask
from maos_sup.system import shared_probe
from state_layout.errors import BadInput
from state_layout.files.reading import read_foreign

_MOST_LAG_S = 30.0
_PATIENCE_S = 300.0
_ACCOUNTS_S = 20.0


class ProbeResult(TypedDict, total=False):
    """Tells what one process of the probe found; `trouble`: it could not go on."""

    host: str
    number: int
    claimed: list[int]
    torn: int
    absent: int
    lags_s: list[float]
    syncs_s: list[float]
    lock: str
    trouble: str


class SharedVerdict(Struct, frozen=True, kw_only=True):
    """Tells what was found of one promise. `level`: ok, note or no."""

    level: str
    name: str
    text: str


def check_shared(folder: str, *, hosts: str | None, as_json: bool) -> int:
    """Try `folder` from `hosts` (nodes, joined by commas), or from two processes here; the exit code.

    Raises BadInput where it cannot be tried.
    """
    nodes = [host for host in (hosts or "").split(",") if host]
    try:
        place = Path(tempfile.mkdtemp(prefix=".maos-sup-probe-", dir=folder))
    except OSError as cause:
        raise BadInput(
            f"--shared is {folder!r}: {cause.strerror}; name a folder that you may write in"
        ) from cause
    try:
        error = _run(place, nodes)
        results = [*_results(place)]
    finally:
        shutil.rmtree(place, ignore_errors=True)
    count = len(nodes) or 2
    if len(results) < count:
        raise BadInput(
            f"--shared: {len(results)} of {count} hosts answered; {error or 'the others saw nothing'}"
        )
    verdicts = [*_verdicts(results)]
    if not nodes:
        text = "two processes of this host; name nodes with --hosts to try what they see of each other"
        verdicts.append(SharedVerdict(level="note", name="hosts", text=text))
    else:
        verdicts.append(_ends())
    is_good = all(verdict.level != "no" for verdict in verdicts)
    if as_json:
        found = [{"level": each.level, "name": each.name, "text": each.text} for each in verdicts]
        say_json({"directory": folder, "is_good": is_good, "found": found})
    else:
        say("\n".join(f"{each.level:<5} {each.name:<8} {each.text}" for each in verdicts))
        say(f"{folder}: {'can' if is_good else 'cannot'} carry agents on several machines")
    return edge.OK if is_good else edge.LACKING


def _run(place: Path, nodes: Sequence[str]) -> str:
    """Let all processes do their part; what they complained of."""
    boot = "import runpy, sys; sys.argv[0] = sys.argv.pop(); runpy.run_path(sys.argv[0], run_name='__main__')"
    source = str(Path(shared_probe.__file__).resolve())
    count = len(nodes) or 2
    argv = [sys.executable, "-P", "-c", boot, str(place.resolve()), str(count)]
    if nodes:
        head = ["srun", "--quiet", f"--nodelist={','.join(nodes)}", f"--nodes={count}", f"--ntasks={count}"]
        commands = [[*head, "--ntasks-per-node=1", "--time=10", *argv, source]]
    else:
        commands = [[*argv, str(number), source] for number in range(count)]
    try:
        started = [
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for command in commands
        ]
    except OSError as cause:
        raise BadInput(
            f"{commands[0][0]} cannot be called: {cause.strerror}; is Slurm installed here?"
        ) from cause
    said = ""
    for process in started:
        try:
            said += process.communicate(timeout=_PATIENCE_S)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            said += f"no end within {_PATIENCE_S:g} s"
    return said.strip()


def _results(place: Path) -> Iterator[ProbeResult]:
    for path in sorted(place.glob("result-*.json")):
        with suppress(OSError, ValueError):
            yield json.loads(read_foreign(path))


def _verdicts(results: Sequence[ProbeResult]) -> Iterator[SharedVerdict]:
    troubles = [f"{one['host']}: {one['trouble']}" for one in results if "trouble" in one]
    if troubles:
        yield SharedVerdict(level="no", name="sight", text="; ".join(troubles))
        return
    claims = [index for one in results for index in one["claimed"]]
    is_once = len(claims) == len(set(claims)) == shared_probe.FOLDERS
    text = f"{shared_probe.FOLDERS} folders made by all at once, each by one"
    bad = f"{len(claims)} claims of {shared_probe.FOLDERS} folders succeeded: two agents could be one attempt"
    yield SharedVerdict(level="ok" if is_once else "no", name="mkdir", text=text if is_once else bad)
    torn, absent = sum(one["torn"] for one in results), sum(one["absent"] for one in results)
    text = f"{shared_probe.RENAMES} replaced files read, none torn, none absent"
    bad = f"of {shared_probe.RENAMES} replaced files {torn} were read torn, {absent} were absent for a moment"
    yield SharedVerdict(
        level="no" if torn or absent else "ok", name="rename", text=bad if torn or absent else text
    )
    lags_s = next((one["lags_s"] for one in results if one["lags_s"]), [0.0])
    most = _ms(lags_s[-1])
    text = f"a line is seen elsewhere, and the answer here, after {_ms(_middle(lags_s))} (at most {most})"
    late = f"{text}: mount it with a shorter memory (NFS: actimeo=3)"
    is_late = lags_s[-1] > _MOST_LAG_S
    yield SharedVerdict(level="no" if is_late else "ok", name="append", text=late if is_late else text)
    syncs_s = sorted(took_s for one in results for took_s in one["syncs_s"])
    yield SharedVerdict(level="ok", name="fsync", text=f"a durable append takes {_ms(_middle(syncs_s))}")
    others = {str(one["lock"]) for one in results if one["number"]}
    text = "a lock of one host keeps the others out"
    told = ", ".join(sorted(others))
    bad = f"a lock of one host is {told} on others: caps of budgets may be overrun in an instant"
    is_common = others == {"refused"}
    yield SharedVerdict(level="ok" if is_common else "note", name="flock", text=text if is_common else bad)


def _ends() -> SharedVerdict:
    """Say whether this cluster tells how jobs ended that its queue has forgotten."""
    answer = ask(account_command(["1"]), gives_up=lambda passed_s: passed_s > _ACCOUNTS_S)
    if answer.code == 0:
        return SharedVerdict(
            level="ok", name="sacct", text="how a job ended is known when squeue has forgotten it"
        )
    why = " ".join(answer.error.split())
    text = f"{why}: of a job that squeue has forgotten, its agent's lease tells that it is over"
    return SharedVerdict(level="note", name="sacct", text=text)


def _middle(values: Sequence[float]) -> float:
    return values[len(values) // 2]


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"
