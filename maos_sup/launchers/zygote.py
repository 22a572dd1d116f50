"""The zygote: one process that has everything an agent needs imported, and forks agents on request.

It knows nothing of trees. It has one thread, so forking is safe; it ends when its supervisor's socket closes;
it is the subreaper of all that its agents start, and reaps it.

    supervisor -> zygote   {"fork": 7, "agent": "counter", "root": "/tree"}
                           {"log": true} and a descriptor to write to from now on
    zygote -> supervisor   {"ready": 1234}
                           {"forked": 7, "pid": 1300} and a pidfd      or {"refused": 7, "error": "..."}
                           {"exited": 1300, "agent": "counter", "code": 0, "orphans": [1301],
                            "starts": [90210]} and pidfds, unless the system refuses them

A child goes on only when the reply is on its way: a request without a reply was not carried out, and can be
sent to another zygote. `orphans` are what an agent left behind in its own session: known for sure only as
long as it is not reaped, since nobody else can have its number until then.
"""

from __future__ import annotations

import errno
import gc
import importlib
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from maos_sup.launchers.link import MESSAGE_BYTES, MOST_DESCRIPTORS
from maos_sup.launchers.orphans import told_orphans
from maos_sup.launchers.spare import Spare
from maos_sup.system import linux
from maos_sup.system.processes import read_children
from maos_sup.system.targets import Target, hold_child
from state_layout.files import codec
from state_layout.files.complaints import forgive_stderr
from state_layout.files.spelling import path_of
from state_layout.host.marks import keep_blank
from state_layout.host.stats import read_stat

if TYPE_CHECKING:
    from maos_sup.launchers.requests import ForkRequest

Entry = Callable[[str, str], int]  # tree root, agent -> exit code
Needs = Callable[[str, str], Iterable[str]]  # tree root, agent -> modules to import before it is forked
FIRST_TO_DIE = 100  # oom_score_adj: rather an agent than its supervisor
_MOST_OPEN = os.sysconf("SC_OPEN_MAX")
_MOST_UNTOLD = 4  # children that wait for their word
_MOST_TOGETHER = 16  # requests: more would keep the first waiting
_ROOM = socket.CMSG_SPACE(struct.calcsize("i"))  # for one descriptor
_AT_ONCE = socket.MSG_DONTWAIT | getattr(socket, "MSG_CMSG_CLOEXEC", 0)  # imported without Linux, too
_OBJECTS_BEFORE_COLLECTION = 10_000  # at the usual 700 an agent collects garbage thrice before it has begun
_SIGNALS_KEPT = {signal.SIGPIPE, signal.SIGXFSZ}  # ignored by every Python process


def main() -> None:
    """Run a zygote: arguments are the entry (`module:function`) and the number of its socket."""
    entry_name, descriptor = sys.argv[1:3]
    gc.disable()
    entry = load(entry_name)
    preload(entry_name)
    keep_blank()
    settle("zygote")
    linux.become_subreaper()
    gc.collect()
    gc.freeze()  # or the first collection in every child copies all pages
    module = sys.modules[entry_name.partition(":")[0]]
    needs = getattr(module, "preload_for", _nothing)
    _Zygote(socket.socket(fileno=int(descriptor)), entry, needs).run()
    os._exit(0)  # nothing is left to be said, and to take all that is imported apart takes longer than a fork


def settle(title: str) -> None:
    """Set up what every agent starts with, and the zygote already has so that it costs its children
    nothing.

    Signals that whoever started the supervisor had ignored (nohup, shells) act as usual again.
    """
    for number in signal.valid_signals() - _SIGNALS_KEPT:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    forgive_stderr()  # it may lie on a full disk
    with suppress(OSError):
        score = Path("/proc/self/oom_score_adj")
        score.write_text(str(max(FIRST_TO_DIE, int(score.read_text()))))
    linux.set_title(f"maos-sup {title}")


def load(entry_name: str) -> Entry:
    """Load the function that `module:function` names. Raises ImportError, AttributeError."""
    module, _, function = entry_name.partition(":")
    entry: Entry = getattr(importlib.import_module(module), function)
    return entry


def preload(entry_name: str) -> None:
    """Import what the entry's module lists in `PRELOAD`: what every agent imports sooner or later.

    Without it each child would, at its own cost in time and memory. What is missing is missed when needed.
    """
    module = importlib.import_module(entry_name.partition(":")[0])
    import_all(getattr(module, "PRELOAD", ()))


def import_all(names: Iterable[str]) -> bool:
    """Import what can be imported; whether anything was that was not there."""
    missing = [name for name in names if name not in sys.modules]
    for name in missing:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - foreign code: its agent will say so itself
            sys.stderr.write(f"zygote: cannot import {name}: {error}\n")
    return bool(missing)


def _nothing(root: str, agent: str) -> tuple[str, ...]:
    return ()


def live(entry: Entry, *, root: str, agent: str) -> NoReturn:
    """Be `agent` until its end; nothing of the caller's stack runs after it."""
    code = 1
    try:
        code = int(entry(root, agent) or 0)
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    except BaseException:  # noqa: BLE001 - the edge of a process: told in its log and by its exit code
        _print_traceback()
    finally:
        with suppress(Exception):  # the log may be on a full disk: end all the same
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code & 0xFF)


def _print_traceback() -> None:
    import traceback  # the launcher, which knows this module, needs none

    traceback.print_exc()


def execute() -> None:
    """Be one agent in a process of its own: arguments are the entry, the tree's root and the agent."""
    execute_agent(*sys.argv[1:4])


def execute_agent(entry_name: str, root: str, agent: str) -> NoReturn:
    """Be `agent`, in a process that was started for it alone."""
    os.closerange(3, _MOST_OPEN)
    keep_blank()
    settle(f"agent {agent} {root}")
    gc.disable()
    entry = load(entry_name)
    gc.freeze()  # what is imported is no garbage: to look for some costs a fourteenth of the start
    _begin_collecting()
    live(entry, root=root, agent=agent)


class _Zygote:
    def __init__(self, supervisor: socket.socket, entry: Entry, needs: Needs) -> None:
        self._supervisor, self._entry, self._needs = supervisor, entry, needs
        self._tried: set[str] = set()
        self._spare = Spare(self._be)
        self._agents: dict[int, str] = {}  # by pid
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(supervisor, select.POLLIN)
        self._poll.register(self._woken, select.POLLIN)

    def run(self) -> None:
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _woken_only)
        try:
            self._serve_on()
        except ConnectionError:
            pass
        finally:
            self._spare.drop()

    def _serve_on(self) -> None:
        self._tell({"ready": os.getpid()})
        while True:
            heard = self._poll.poll(self._spare.until_ms() if self._agents else None)
            if not heard and self._agents:
                like = [*self._agents][-2:][0]  # the newest may not have all that it needs
                self._spare.make(like=like, shed=partial(_shed, self._supervisor))
            for descriptor, _ in heard:
                if descriptor == self._woken:
                    self._reap()
                elif not self._serve():
                    return

    def _serve(self) -> bool:
        """Carry out the requests that wait; whether there will be more.

        All are prepared, then all are forked, a few at a time: each fork makes this process copy again what
        it touches next, and a supervisor that hears of several at once looks up once.
        """
        requests: list[ForkRequest] = []
        with suppress(BlockingIOError):
            while len(requests) < _MOST_TOGETHER:
                data, log = _received(self._supervisor)
                if not data:
                    return False
                if log is not None:
                    _write_to(log)
                else:
                    requests.append(cast("ForkRequest", codec.decode_object(data)))
        for request in requests:
            self._import_for(request)
        if requests:
            self._spare.wait_for(len(requests))
        if requests and (spare := self._spare.take()) is not None:
            self._use_spare(requests.pop(0), *spare)
        for first in range(0, len(requests), _MOST_UNTOLD):
            self._fork_all(requests[first : first + _MOST_UNTOLD])
        return True

    def _use_spare(self, request: ForkRequest, pid: int, order: int) -> None:
        """Have the spare process be the agent; if it has died just now, that is the end of an agent."""
        self._agents[pid] = request["agent"]
        try:
            self._tell_of(request, pid)
            with suppress(BrokenPipeError):
                os.write(order, codec.encode(request))
        finally:
            os.close(order)

    def _import_for(self, request: ForkRequest) -> None:
        """Import, once for all, what agents of this kind need."""
        fresh = [
            name
            for name in self._needs(path_of(request["root"]), request["agent"])
            if name not in self._tried
        ]
        self._tried.update(fresh)
        if import_all(fresh):
            self._spare.drop()  # it has not imported it
            gc.collect()
            gc.freeze()

    def _fork_all(self, requests: Sequence[ForkRequest]) -> None:
        """Fork, then tell of each child and let it go on.

        A child that was forked later has the ends of the earlier ones too: if we die, they end one by one.
        """
        gc.freeze()  # what was made since is not looked at by the first collection of a child either
        forked = [(request, *self._forked(request)) for request in requests]
        try:
            for request, pid, went in forked:
                if pid:
                    self._tell_of(request, pid)
                    os.write(went, b".")
        finally:
            for _, _, went in forked:
                if went >= 0:
                    os.close(went)

    def _forked(self, request: ForkRequest) -> tuple[int, int]:
        """Fork a child that waits for its word; its pid, and where the word is written. (0, -1): refused."""
        try:
            go, went = os.pipe2(os.O_CLOEXEC)
        except OSError as cause:
            return self._refused(request, cause)
        try:
            pid = os.fork()
        except OSError as cause:
            os.close(go)
            os.close(went)
            return self._refused(request, cause)
        if pid == 0:
            self._become_agent(request, go=go, went=went)
        os.close(go)
        self._agents[pid] = request["agent"]
        return pid, went

    def _refused(self, request: ForkRequest, cause: OSError) -> tuple[int, int]:
        self._tell({"refused": request["fork"], "error": f"cannot fork: {cause.strerror}"})
        return 0, -1

    def _tell_of(self, request: ForkRequest, pid: int) -> None:
        """Tell the supervisor of a child. Raises ConnectionError."""
        child = hold_child(pid)
        try:
            told = [] if child.pidfd < 0 else [child.pidfd]
            self._tell({"forked": request["fork"], "pid": pid}, *told)
        finally:
            child.close()

    def _become_agent(self, request: ForkRequest, *, go: int, went: int) -> NoReturn:
        try:
            os.close(went)
            os.setsid()
            if not os.read(go, 1):
                os._exit(0)  # the supervisor was not told of us: it will ask another zygote
            _shed(self._supervisor)
        except BaseException:  # noqa: BLE001 - never back into the zygote's stack
            _print_traceback()
            os._exit(1)
        self._be(request)

    def _be(self, request: ForkRequest) -> NoReturn:
        """Be the agent that is asked for, in its own process."""
        root = path_of(request["root"])
        linux.set_title(f"maos-sup agent {request['agent']} {root}")
        live(self._entry, root=root, agent=request["agent"])

    def _reap(self) -> None:
        """Take in all ends: several may have come with one signal."""
        with suppress(BlockingIOError):
            while len(os.read(self._woken, 4096)) == 4096:
                pass
        with suppress(ChildProcessError):
            while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                pid = found.si_pid
                orphans = self._orphans_of(pid) if pid in self._agents else []
                os.waitid(os.P_PID, pid, os.WEXITED)
                self._spare.is_dead(pid)
                if pid in self._agents:
                    self._tell_end(found, self._agents.pop(pid), orphans)

    def _orphans_of(self, agent: int) -> list[Target]:
        """Find our new children in the session of `agent`, which is dead and not reaped."""
        orphans: list[Target] = []
        for pid in read_children(os.getpid()):
            if pid in self._agents or len(orphans) == MOST_DESCRIPTORS:
                continue
            orphan, stat = hold_child(pid), read_stat(pid)
            if stat is not None and stat.session == agent:
                orphan.start_time = stat.start_time
                orphans.append(orphan)
            else:
                orphan.close()
        return orphans

    def _tell_end(self, found: os.waitid_result, agent: str, orphans: list[Target]) -> None:
        fields, pidfds = told_orphans(orphans)
        ended: dict[str, Any] = {"exited": found.si_pid, "agent": agent, **fields}
        ended["code" if found.si_code == os.CLD_EXITED else "signal"] = found.si_status
        try:
            self._tell(ended, *pidfds)
        finally:
            for orphan in orphans:
                orphan.close()

    def _tell(self, message: dict[str, Any], *descriptors: int) -> None:
        """Send `message`, where need be without its descriptors. Raises ConnectionError."""
        try:
            socket.send_fds(self._supervisor, [codec.encode(message)], descriptors)
        except OSError as cause:
            if cause.errno != errno.ETOOMANYREFS:  # too many of this user are under way
                raise
            self._supervisor.send(codec.encode(message))


def _received(supervisor: socket.socket) -> tuple[bytes, int | None]:
    """Receive a message that waits, and the descriptor that came along. Raises BlockingIOError if there is
    none.

    `socket.recv_fds` of Python 3.11 does not hand its flags on.
    """
    data, along, _, _ = supervisor.recvmsg(MESSAGE_BYTES, _ROOM, _AT_ONCE)
    return data, struct.unpack("i", along[0][2])[0] if along else None


def _write_to(log: int) -> None:
    """Have what is printed lead to `log`, which is closed."""
    for ours in (1, 2):
        os.dup2(log, ours)
    os.close(log)


def _shed(supervisor: socket.socket, but: int = _MOST_OPEN) -> None:
    """Leave the zygote behind: its descriptors, `but` for one, its signal handler, its settings."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    supervisor.detach()
    os.closerange(3, but)
    os.closerange(but + 1, _MOST_OPEN)
    _begin_collecting()


def _begin_collecting() -> None:
    """Collect garbage from now on, and not often."""
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION)
    gc.enable()


def _woken_only(number: int, frame: object) -> None:
    """SIGCHLD is told by the wake-up descriptor; a handler is needed for that."""
