"""Bugs in shared state: lines acted upon too early, changes done twice, order and versions lost."""

from __future__ import annotations

from ..plant import Bug

_LOCK = "state_layout.scopes.scope_lock"
_STORE, _LINES = "state_layout.scopes.store", "state_layout.scopes.lines"

BUGS = [
    Bug("a change is not synced", f"{_STORE}:ScopeStore._append", "journal.sync()", "pass", run="shared"),
    Bug(
        "nobody is told that a line may not be durable",
        f"{_STORE}:ScopeStore._append",
        "self._lock.say(WRITING)",
        "pass",
        run="shared",
    ),
    Bug(
        "a line that may not be durable is acted upon",
        f"{_LOCK}:ScopeLock.is_letter_w",
        "return os.pread(self._descriptor, 1, 0) == WRITING",
        "return False",
        run="shared",
    ),
    Bug(
        "a reader acts upon a line that may not be durable",
        f"{_LOCK}:ScopeLock.is_letter_w",
        "return os.pread(descriptor, 1, 0) == WRITING",
        "return False",
        run="shared",
    ),
    Bug(
        "a change asked for again is done again",
        f"{_STORE}:ScopeStore._looked",
        "return Written(done, None, is_repeated=True), None",
        "pass",
        run="shared",
    ),
    Bug(
        "a new life does not know what the last one changed",
        f"{_STORE}:ScopeStore._read",
        'self._tokens[str(fields["token"])] = line.end',
        "pass",
        run="shared",
    ),
    Bug(
        "a put does not compare",
        f"{_STORE}:ScopeStore._looked",
        "!= wish.over",
        "is self",
        run="shared",
    ),
    Bug(
        "a line does not say what it replaced",
        f"{_STORE}:ScopeStore._written",
        'fields["over"] = [before.writer, before.line.end.seq, before.line.end.h]',
        "pass",
        run="shared",
    ),
    Bug(
        "a torn line is written on",
        f"{_STORE}:ScopeStore._journal",
        "if file.reader.damage is not None:",
        "if False:",
        run="shared",
    ),
    Bug(
        "the last line read wins, not the last one written",
        f"{_LINES}:Fold.take",
        "(before.n, before.writer) < (entry.n, writer)",
        "True",
        run="shared",
    ),
    Bug(
        "lines are numbered after the last one read",
        f"{_LINES}:Fold.take",
        "self.last_n = max(self.last_n, entry.n)",
        "self.last_n = entry.n",
        run="shared",
    ),
    Bug(
        "a change is made before its cause is durable",
        "maos_sup.agents.attempt.recorder:Recorder._settled",
        "self.sync()\nreturn self.synced_seq",
        "return self._history.seq",
        run="shared",
    ),
    Bug(
        "writers share the lock of a scope",
        f"{_LOCK}:ScopeLock._take",
        "fcntl.LOCK_EX",
        "fcntl.LOCK_SH",
        run="rivals",
    ),
    Bug(
        "a writer does not look again once it has the lock",
        f"{_STORE}:ScopeStore.put",
        "self._catch_up(is_locked=True)",
        "pass",
        run="rivals",
    ),
    Bug(
        "a writer who has just begun is overlooked",
        f"{_STORE}:ScopeStore._look_for_files",
        "if folder == self._settled_folder:",
        "if self._files:",
        run="rivals",
    ),
]
