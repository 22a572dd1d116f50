"""Says what lies in `run/` and belongs to one host. Only the type checker imports this."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class HostFile(TypedDict):
    """`run/host.json` says where the tree was when it was supervised last."""

    boot_id: str
    device: int
    inode: int


class HandleFile(TypedDict):
    """The handle is of a process: the same only if the first four are."""

    boot_id: str
    pid: int
    start_time: int
    pidfd_inode: int  # 0: the system has no pidfds, or refused one
    attempt: int
    program_pid: NotRequired[int | None]
    pid_ns: NotRequired[int]  # the namespace that the numbers are of
    host: NotRequired[str]  # for people


class HoldFile(TypedDict):
    """`run/holds/<agent>.json` allows no request to `provider` before `until_s`."""

    boot_id: str
    provider: str
    until_s: float  # of the machine's monotonic clock
    at: str
    reason: str
    tries: int  # refusals in a row
