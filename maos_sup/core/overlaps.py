"""Says who changed the same files of a project: told early, while they still work. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from state_layout.records import TaskSpec
from state_layout.shapes.wording import listed

RESOLVER = "resolver"  # the agent that is given what does not merge
_MOST_NAMED = 5


def overlaps(touched: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Find the paths that several agents touched, with who did, of the paths of each."""
    who: dict[str, list[str]] = {}
    for agent, paths in touched.items():
        if agent == RESOLVER:
            continue  # it changes what others did, and holds that
        for path in paths:
            who.setdefault(path, []).append(agent)
    return {path: agents for path, agents in sorted(who.items()) if len(agents) > 1}


def only_tried(tasks: Iterable[TaskSpec]) -> frozenset[str]:
    """Find the agents that only make attempts: what they do is not merged, the best of it is taken over."""
    tried, works = set[str](), set[str]()
    for task in tasks:
        (tried if "attempt_of" in task.settings else works).add(task.agent)
    return frozenset(tried - works)


def overlap_lines(found: Mapping[str, Sequence[str]]) -> list[str]:
    """Write a sentence for each group of agents that touched the same paths: `found`, as `overlaps` gives
    it."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for path, agents in found.items():
        groups.setdefault(tuple(agents), []).append(path)
    return [
        f"{listed(agents, last='and')} changed the same file{'s' if len(paths) > 1 else ''}, which may not "
        f"merge: {', '.join(paths[:_MOST_NAMED])}"
        + (f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else "")
        for agents, paths in groups.items()
    ]


def changed_text(files: int, added: int, removed: int) -> str:
    """Word figures like `3 files, +10 -2 lines`."""
    return f"{counted_files(files)}, +{added} -{removed} lines"


def counted_files(files: int) -> str:
    """Word a number like `1 file`, `2 files`."""
    return f"{files} file{'' if files == 1 else 's'}"
