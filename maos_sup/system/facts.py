"""Says what this system gives and what it does not, in words for people."""

from __future__ import annotations

import os
import select
import sys
from dataclasses import dataclass

from maos_sup.system.paging import can_merge, can_page_out
from maos_sup.system.processes import knows_children
from maos_sup.system.targets import can_signal_by_pidfd
from state_layout.host.kernel import PORTABLE, VARIABLE, is_linux
from state_layout.host.stats import boot_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A fact is one thing that a system has or lacks; `means`: what follows for the user if it is lacking."""

    name: str
    has: bool
    means: str = ""


def system_name() -> str:
    """Name the mechanisms in use: `linux`, or `portable` and why."""
    if is_linux():
        return "linux"
    why = f"{VARIABLE}={PORTABLE}" if sys.platform == "linux" else sys.platform
    return f"portable ({why}): psutil and watchdog"


def facts() -> list[Fact]:
    """List what is given here, the most important first."""
    linux = is_linux()
    return [
        Fact(
            name="a hold on processes (pidfd)",
            has=linux and can_signal_by_pidfd(),
            means="a process is known by number and start time, looked at again before each signal",
        ),
        Fact(
            name="orphans come to their agent (subreaper)",
            has=linux,
            means="what detaches itself is found by the mark in its environment, where that may be read",
        ),
        Fact(
            name="agents forked from a warm process",
            has=linux and hasattr(select, "epoll"),
            means="each agent is executed in a new interpreter: starts cost more",
        ),
        Fact(
            name="children as the kernel knows them",
            has=knows_children(),
            means="all processes of the machine are looked at to find them",
        ),
        Fact(
            name="memory of resting agents moved to swap",
            has=can_page_out(),
            means="an agent at rest keeps some 6 MB; a swap file or zram on Linux takes two thirds of it",
        ),
        Fact(
            name="equal memory of processes merged (KSM)",
            has=can_merge(),
            means='`[intervals] at_rest = "merge"` gains nothing until root sets it going on Linux: '
            "echo 1 > /sys/kernel/mm/ksm/run",
        ),
        Fact(
            name="an id of the boot",
            has=bool(boot_id()) and not boot_id().startswith("boot-"),
            means="a boot is known by its time: setting the clock makes a tree look like a copy",
        ),
        Fact(
            name="data synced without the rest (fdatasync)",
            has=hasattr(os, "fdatasync") and sys.platform != "darwin",
            means="a sync is one of the whole file, on macOS down to the disk (F_FULLFSYNC)",
        ),
    ]
