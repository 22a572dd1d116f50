"""Kind `python`: a callable, run in the agent's process, that is given a `Context`.

What it prints is the agent's output. It is restarted from its beginning after a crash; its steps are not
(see `maos_sup.agents.callable.context`).
"""

from __future__ import annotations

import errno
import importlib
import inspect
import io
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, ClassVar

from maos_sup.agents.callable.context import Context
from maos_sup.agents.endings import Ended, WorkOutcome
from maos_sup.agents.kinds.shared.programs import REDACT
from maos_sup.agents.secrets.redacting import redacted, redirected
from maos_sup.agents.work import Work
from state_layout.errors import BadInput, StorageFull
from state_layout.files import codec
from state_layout.host.room import has_room
from state_layout.shapes.shape import CallableName, Field, Shape
from state_layout.specs.kinds import BUILT_IN, KindTraits


class PythonKind:
    """Runs one callable per attempt at a task."""

    traits: ClassVar[KindTraits] = BUILT_IN["python"]
    settings: ClassVar[Shape] = Shape(
        fields={
            "callable": Field(CallableName(), "module:function, called with a context", required=True),
            "redact": REDACT,
        }
    )

    def run(self, work: Work) -> WorkOutcome:
        """Call the callable. Raises BadInput, StorageError, Ended."""
        work.lay_out()
        self._dress(work)
        if not work.spec.settings.get("redact"):
            return self._run(work)
        with (
            redacted(work.life.files, work.environment()) as pipes,
            redirected({1: pipes.stdout, 2: pipes.stderr}),
        ):
            return self._run(work)

    def _run(self, work: Work) -> WorkOutcome:
        try:
            with work.life.bell.interruptible():
                result = _loaded(work)(Context(work))
        except Ended as ended:
            return WorkOutcome(ended=ended.ending)
        except BadInput as error:
            return WorkOutcome(error=str(error))
        except SystemExit as leave:
            if leave.code not in (None, 0):
                return WorkOutcome(error=f"the callable left with exit code {leave.code}")
            result = None
        except BaseException as error:
            if _is_full(work, error):
                raise StorageFull(f"no space left: {error}") from error
            traceback.print_exc()
            return WorkOutcome(error=f"{type(error).__name__}: {error}")
        finally:
            _flush()
        if (
            work.life.bell.is_acted_on or work.life.bell.was_unwound
        ):  # the callable swallowed the end of its work
            return WorkOutcome(ended=work.act())
        return _outcome(work, result)

    def _dress(self, work: Work) -> None:
        """Set this process up as a program's would be."""
        environment = work.environment()
        for key in os.environ.keys() - environment.keys():
            del os.environ[key]
        os.environ.update(environment)
        os.umask(work.life.umask)
        os.chdir(work.folder())
        for stream in (sys.stdout, sys.stderr):  # what was printed is written: a kill loses no line
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
        sys.dont_write_bytecode = True  # nothing of ours in spec/files
        for folder in (str(work.life.tree.files), str(work.folder())):
            if folder not in sys.path:
                sys.path.append(folder)
        sys.path.remove(str(work.life.tree.files))
        sys.path.insert(0, str(work.life.tree.files))


def _loaded(work: Work) -> Callable[[Context], Any]:
    name = work.spec.settings.get("callable")
    if not isinstance(name, str) or ":" not in name:
        raise BadInput(f"agent {work.life.agent}: 'callable' is {name!r}; use module:function")
    module_name, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as cause:
        if cause.name is not None and not module_name.startswith(cause.name):
            raise
        raise BadInput(
            f"callable {name!r}: no module {module_name!r} in spec/files, the project or Python"
        ) from cause
    for part in path.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise BadInput(f"callable {name!r}: module {module_name!r} has no function {path!r}")
    if inspect.iscoroutinefunction(found):
        raise BadInput(
            f"callable {name!r} is async; make it a plain function, and call asyncio.run in a step"
        )
    return found  # type: ignore[no-any-return]  # any callable will do


def _outcome(work: Work, result: Any) -> WorkOutcome:
    if work.life.trouble is not None:
        raise work.life.trouble
    try:
        codec.encode(result)
    except TypeError as cause:
        return WorkOutcome(error=f"the callable returned what JSON has no form for: {cause}")
    return WorkOutcome(result=result)


def _is_full(work: Work, error: BaseException) -> bool:
    """The callable failed because there is no room where the tree lies: no fault of its own."""
    if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return False
    return not has_room(work.life.tree)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
