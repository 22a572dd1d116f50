"""Supervisors beside each other, each with the same programs: start, restart, stop, idling, accidents."""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.figures import ROUNDS, Bars, Row, Section, not_run, percentile, sized, spread, words
from bench.peers.stage import Stage, await_or_tell, cpu_ns, memory_mb, staged
from bench.peers.supervisors import OURS, SUPERVISORS, Supervisor

COUNT = sized(100, 10)
KILLS, KILLING_S = sized(10, 3), 5.0  # a round: as many, but no longer than this
SETTLING_S = 1.5  # s6 and runit wait a second before they restart what has not lived for one
HALT_S = 20.0
QUIET_S = 3.0  # nothing has begun or ended for so long: that is how it stays
IDLE_S = float(os.environ.get("BENCH_IDLE_S", "30"))
RULER = "s6"  # whose times ours are held against
MOST_START, MOST_RESTART, MOST_STOP = 2.0, 2.0, 1.5  # times its


@dataclass(slots=True, kw_only=True)
class Seen:
    """Holds what one supervisor took. Of all processes but the programs: `cpu_percent`, `all_mb`."""

    start_ms: list[float] = field(default_factory=list)
    restart_ms: list[float] = field(default_factory=list)
    stop_ms: list[float] = field(default_factory=list)
    not_stopped: int = 0
    cpu_percent: float | None = None
    self_mb: float = 0.0
    all_mb: float = 0.0
    leaked: str = ""
    leaks: int | None = None
    afterwards: str = ""
    doubled: int | None = None


def measure() -> list[Section]:
    """All tables of this file."""
    seen = {supervisor.name: Seen() for supervisor in SUPERVISORS}
    failed: dict[str, str] = {}
    for round_ in range(ROUNDS):
        for supervisor in SUPERVISORS:
            _try(supervisor, failed, _life if round_ else _life_with_idling, seen)
    for act in (_leak, _orphan):
        for supervisor in SUPERVISORS:
            _try(supervisor, failed, act, seen)
    seen = {name: of for name, of in seen.items() if name not in failed}
    return _sections(seen, failed)


def _try(
    supervisor: Supervisor,
    failed: dict[str, str],
    act: Callable[[Supervisor, Seen], None],
    seen: dict[str, Seen],
) -> None:
    """Whatever stops a supervisor from being measured is its row."""
    if supervisor.name in failed:
        return
    try:
        act(supervisor, seen[supervisor.name])
    except Exception as cause:  # noqa: BLE001 - see above
        failed[supervisor.name] = words(cause)


def _life_with_idling(supervisor: Supervisor, seen: Seen) -> None:
    """A life, and the cost of doing nothing."""
    _life(supervisor, seen, is_idle_first=True)


def _life(supervisor: Supervisor, seen: Seen, *, is_idle_first: bool = False) -> None:
    """Start, some kills, an orderly stop."""
    with staged(supervisor, COUNT) as stage:
        seen.start_ms.append(1000 * _start_s(stage))
        time.sleep(SETTLING_S)
        if is_idle_first:
            _idle(stage, seen)
        end_s = time.perf_counter() + KILLING_S
        for name in stage.names[:KILLS]:
            if time.perf_counter() < end_s:
                seen.restart_ms.append(1000 * _restart_s(stage, name))
        time.sleep(SETTLING_S)  # circus forgets a signal that comes while it restarts something
        took_s = stage.halt(deadline_s=HALT_S)
        if took_s is None:
            seen.not_stopped += 1
        else:
            seen.stop_ms.append(1000 * took_s)


def _start_s(stage: Stage) -> float:
    began_s = time.perf_counter()
    stage.start()
    return await_or_tell(stage, lambda: stage.are_up(COUNT)) - began_s


def _restart_s(stage: Stage, name: str) -> float:
    """SIGKILL to what the supervisor watches, until the program runs again."""
    pid, begun = stage.watched_pid(name), stage.begun()
    began_s = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    return await_or_tell(stage, lambda: stage.are_up(begun + 1)) - began_s


def _idle(stage: Stage, seen: Seen) -> None:
    pids = stage.own_processes()
    before_ns = cpu_ns(pids)
    time.sleep(IDLE_S)
    seen.cpu_percent = 100 * (cpu_ns(pids) - before_ns) / (IDLE_S * 1e9)
    seen.self_mb, seen.all_mb = memory_mb({stage.supervisor_pid}), memory_mb(pids)


def _leak(supervisor: Supervisor, seen: Seen) -> None:
    """Each program sets a grandchild free; who of them lives after an orderly stop?"""
    with staged(supervisor, COUNT, leaks=True) as stage:
        stage.start()
        await_or_tell(stage, lambda: stage.are_up(COUNT) and stage.grown()[1] >= COUNT)
        stage.halt(deadline_s=HALT_S)
        seen.leaks, of = stage.grown()
        seen.leaked = f"{seen.leaks} of {of}"


def _orphan(supervisor: Supervisor, seen: Seen) -> None:
    """SIGKILL to the supervisor, then the same command again: who runs, once all is quiet?"""
    with staged(supervisor, COUNT) as stage:
        _start_s(stage)
        time.sleep(SETTLING_S)
        before = stage.programs()
        stage.kill_supervisor()
        stage.start()
        _until_quiet(stage)
        now = stage.programs()
        same = len(before & now)
        seen.doubled = max(0, len(now) - COUNT)
        seen.afterwards = f"{same} of {COUNT} go on untouched, {len(now)} run"


def _until_quiet(stage: Stage) -> None:
    quiet_since_s, before = time.perf_counter(), stage.programs()
    while time.perf_counter() < quiet_since_s + QUIET_S:
        time.sleep(0.2)
        now = stage.programs()
        if now != before:
            quiet_since_s, before = time.perf_counter(), now


# -- tables


def _sections(seen: dict[str, Seen], failed: dict[str, str]) -> list[Section]:
    of = f"{COUNT} programs"
    start = {name: one.start_ms for name, one in seen.items()}
    restart = {name: one.restart_ms for name, one in seen.items()}
    stop = {name: one.stop_ms for name, one in seen.items() if one.stop_ms}
    sections = [
        _timed(
            f"Supervisors: start {of}",
            start,
            MOST_START,
            "The supervisor's own start is in it, Python's too.",
        ),
        _timed(
            "Supervisors: kill -9 until the program runs again",
            restart,
            MOST_RESTART,
            "One after another; each has lived for more than a second. With us the agent is killed, the "
            "process watched: its successor first ends what it left, then starts the program.",
        ),
        _timed(
            f"Supervisors: stop {of}",
            stop,
            MOST_STOP,
            "From the signal until the supervisor and all programs are gone.",
        ),
        _costs(seen),
        _accidents(seen),
    ]
    absent = [not_run(name, why) for name, why in failed.items()]
    sections[0].rows.extend(absent)
    return sections


def _timed(title: str, times_ms: dict[str, list[float]], most: float, note: str) -> Section:
    middles = {name: statistics.median(values) for name, values in times_ms.items() if values}
    mine = middles.get(OURS)
    rows = []
    for name, middle in middles.items():
        p95 = percentile(times_ms[name], 0.95)
        text = f"{spread(times_ms[name], 'ms', 1)}, p95 {p95:,.1f} ms ({len(times_ms[name])} times)"
        share = mine / middle if mine is not None and name != OURS else None
        is_ruler = share is not None and name == RULER
        rows.append(
            Row(
                name=name,
                value=text,
                ratio="" if share is None else f"ours takes {share:.2f}x",
                target=f"<= {most:g}x" if is_ruler else "",
                met=share <= most if share is not None and is_ruler else None,
            )
        )
    return Section(
        title=title,
        note=note,
        rows=rows,
        lost=_lost(title, middles, "ms"),
        bars=[Bars(title=title, unit="ms", better="less", values=middles)],
    )


def _costs(seen: dict[str, Seen]) -> Section:
    title = f"Supervisors: cost of {COUNT} idle programs"
    measured = {name: one for name, one in seen.items() if one.cpu_percent is not None}
    rows = [
        Row(
            name=name,
            value=f"{one.cpu_percent:.3f} % CPU, {one.all_mb:.1f} MB; the supervisor's own process "
            f"{one.self_mb:.1f} MB",
        )
        for name, one in measured.items()
    ]
    memory = {name: one.all_mb for name, one in measured.items()}
    cpu = {name: one.cpu_percent or 0.0 for name, one in measured.items()}
    return Section(
        title=title,
        note=f"Over {IDLE_S:.0f} s, all processes but the programs themselves (with us: supervisor, zygote "
        "and a process an agent, which keeps journal and mail). Memory is PSS.",
        rows=rows,
        lost=_lost("memory of all that supervises", memory, "MB") + _lost("CPU when idle", cpu, "%"),
        bars=[Bars(title=title, unit="MB", better="less", values=memory)],
    )


def _accidents(seen: dict[str, Seen]) -> Section:
    rows = []
    for name, one in seen.items():
        is_ours = name == OURS
        rows.append(
            Row(
                name=f"{name}: grandchildren with a session of their own, alive after stop",
                value=one.leaked or "not seen",
                target="0" if is_ours else "",
                met=one.leaks == 0 if is_ours else None,
            )
        )
        rows.append(
            Row(
                name=f"{name}: supervisor killed and started again",
                value=one.afterwards or "not seen",
                target="all untouched, 0 doubled" if is_ours else "",
                met=one.doubled == 0 and one.afterwards.startswith(f"{COUNT} of") if is_ours else None,
            )
        )
        if one.not_stopped:
            rows.append(
                Row(name=f"{name}: stop", value=f"not ended in {HALT_S:.0f} s, {one.not_stopped} times")
            )
    return Section(title="Supervisors: accidents", note=f"{COUNT} programs, once.", rows=rows)


def _lost(what: str, figures: dict[str, float], unit: str) -> list[str]:
    if OURS not in figures:
        return []
    mine = figures[OURS]
    return [
        f"{what}: {name} {value:,.3g} {unit}, ours {mine:,.3g} {unit}"
        for name, value in figures.items()
        if value < mine
    ]
