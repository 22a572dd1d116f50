"""Runs the hooks that a change of shared state meets before it is made: they refuse it, or replace the value.

A hook gets one JSON object (`on`, `scope`, `key`, `value`, `before`, `by`, `task`, `run`) and gives nothing,
`{"refuse": "why"}` or `{"value": ...}`. A program gets and gives it on its standard streams, a callable as
its argument and its result; that must be a pure function. Fails closed: a hook that cannot be run, does not
end in time, fails, or gives something else refuses the change.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.files.looking import is_dir
from state_layout.paths import Tree
from state_layout.scopes.hooks import Hook
from state_layout.scopes.names import located

Told = dict[str, object]  # on, scope, key, value, before, by, task, run
_MOST_ANSWER_BYTES = 4 << 20
_LONGEST_SAID = 300


def ask_before(tree: Tree, hooks: Iterable[Hook], told: Told) -> Told:
    """`told` after all `hooks` had their say: `value` may be another. Raises BadInput if one refuses."""
    for hook in hooks:
        answer = _called(tree, hook, told) if isinstance(hook.run, str) else _run(tree, hook, told)
        if not answer:
            continue
        if not isinstance(answer, dict) or len(answer.keys() & {"refuse", "value"}) != 1:
            raise _failed(hook, told, 'gave neither nothing, {"refuse": ...} nor {"value": ...}')
        if "refuse" in answer:
            raise BadInput(f"{told['scope']} {told['key']!r}: refused by {hook.name}: {answer['refuse']}")
        told = {**told, "value": answer["value"]}
    return told


def _run(tree: Tree, hook: Hook, told: Told) -> Any:
    """Run a program, and give what it answers."""
    environment = {**os.environ, "MAOS_DIR": str(tree.root), "MAOS_EVENT": hook.on}
    try:
        process = subprocess.Popen(
            located(tree, hook.run),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tree.root,
            env=environment,
            process_group=0,
        )
    except (OSError, ValueError) as cause:
        why = cause.strerror if isinstance(cause, OSError) else str(cause)
        raise _failed(hook, told, f"cannot be started: {why}") from cause
    try:
        said, complaint = process.communicate(codec.encode(told) + b"\n", timeout=hook.timeout_s)
    except subprocess.TimeoutExpired as cause:
        raise _failed(hook, told, f"did not end within {hook.timeout_s:g} s") from cause
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # with all that it left
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        process.wait()
    if process.returncode:
        last = complaint.decode("utf-8", "replace").strip()[-_LONGEST_SAID:]
        raise _failed(hook, told, f"ended with exit code {process.returncode}{f': {last}' if last else ''}")
    if len(said) > _MOST_ANSWER_BYTES:
        raise _failed(hook, told, f"said {len(said)} bytes")
    try:
        return codec.decode(said) if said.strip() else None
    except codec.NotJson as cause:
        raise _failed(hook, told, f"said what is no JSON: {cause}") from cause


def _called(tree: Tree, hook: Hook, told: Told) -> Any:
    """Call a callable, and give what it answers."""
    try:
        return _callable(str(hook.run), str(tree.files))(told)
    except Exception as cause:
        raise _failed(hook, told, f"{type(cause).__name__}: {cause}") from cause


@cache
def _callable(name: str, files: str) -> Callable[[Told], Any]:
    module, _, function = name.partition(":")
    if files not in sys.path and is_dir(Path(files)):
        sys.path.insert(0, files)
    found: Callable[[Told], Any] = getattr(importlib.import_module(module), function)
    return found


def _failed(hook: Hook, told: Told, what: str) -> BadInput:
    return BadInput(
        f"{told['scope']} {told['key']!r}: refused: hook {hook.name} {what}; mend it, "
        "or take it out of 'hooks'"
    )


def main(files: str, name: str) -> int:
    """Call the callable of an after-hook with what is on standard input; an exit code."""
    _callable(name, files)(codec.decode(sys.stdin.buffer.read()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
