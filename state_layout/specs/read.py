"""Says what is wanted, as in force: the spec files, and the last good copy of each that is missing or bad.

A reader never fails over one bad file and never takes absence for a wish. Who judges timing is the
supervisor (an editor is seen mid-save); the errors here carry the digest of the bytes they are about.
`rel` is a path relative to `spec/`, like `agents/bob.json`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from state_layout.errors import BadInput, NotATree
from state_layout.paths import Tree
from state_layout.records import AgentSpec, OrchestrationSpec, Specs, TaskSpec
from state_layout.specs.files import ORCHESTRATION_REL, Kinds, SpecError, SpecFile, whole_file
from state_layout.specs.folder import SpecFolder
from state_layout.specs.links import (
    Hints,
    Link,
    LinkFault,
    circle_faults,
    circles,
    faults_of,
    links_of,
    needs_first,
)


class SpecsRead(Struct, frozen=True, kw_only=True):
    """`read_specs` found this; `digests` and `raw` are of the bytes in force, by path relative to `spec/`."""

    specs: Specs
    errors: list[SpecError] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    raw: dict[str, bytes] = field(default_factory=dict)
    unaccepted: list[str] = field(default_factory=list)  # in force, and its accepted copy is another or none


def read_specs(tree: Tree, *, accepted_first: bool = False, kinds: Kinds | None = None) -> SpecsRead:
    """Read all spec files of `tree` once.

    Where a file is missing or bad its accepted copy is in force; one that has none is left out. With
    `accepted_first` the accepted copies are preferred. Raises BadInput or NotATree if there is no good
    `orchestration.json` in either place.
    """
    return SpecCache(tree, accepted_first=accepted_first, kinds=kinds).read()


class SpecCache:
    """Reads the specs again and again, opening only files that changed since."""

    def __init__(
        self,
        tree: Tree,
        *,
        accepted_first: bool = False,
        kinds: Kinds | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
        is_view: bool = False,
    ) -> None:
        """With `is_view`, `unaccepted` does not matter, so accepted copies are read only where they are
        needed."""
        self._accepted_first, self._is_view = accepted_first, is_view
        self._ours = SpecFolder(tree.spec, shown="spec", kinds=kinds or {}, clock_ns=clock_ns)
        shown = tree.shown(tree.accepted)
        self._accepted = SpecFolder(tree.accepted, shown=shown, kinds=kinds or {}, clock_ns=clock_ns)
        self._last: tuple[object, SpecsRead] | None = None

    def read(self, *, judged: Mapping[str, str] | None = None) -> SpecsRead:
        """Return what is in force: the same object as before if nothing changed, and the same `specs` if only
        other things did. Raises as `read_specs`.

        `judged`: the digests of files that a supervisor has in force, which need no check again.
        """
        ours = self._ours.read(judged=judged)
        needs_no_copies = self._is_view and self._are_good(ours)
        accepted = {} if needs_no_copies else self._accepted.read(like=ours)
        found = (ours, accepted, self._ours.errors)
        if self._last is None or self._last[0] != found:
            are_linked = bool(judged) and judged == {rel: file.digest for rel, file in ours.items()}
            fresh, before = self._in_force(*found, are_linked=are_linked), self._last
            if needs_no_copies and len(fresh.errors) > len(
                self._ours.errors
            ):  # broken links: they are needed
                fresh = self._in_force(ours, self._accepted.read(like=ours), self._ours.errors)
            if before is not None and before[1].specs == fresh.specs:
                fresh = replace(fresh, specs=before[1].specs)
            self._last = (found, fresh)
        return self._last[1]

    def has_changed(self) -> bool:
        """Some file may be other than it was read: one stat a file, none is opened."""
        return self._ours.has_changed() or self._accepted.has_changed()

    def has_moved(self) -> bool:
        """A file of `spec/` may have come or gone since it was read, or what concerns all changed: a few
        stats, whatever the number of files."""
        return self._ours.has_moved()

    def is_current(self, *rels: str) -> bool:
        """None of these files was changed since the last `read`: one stat each, nothing is opened."""
        return all(self._ours.is_current(rel) for rel in rels)

    def _are_good(self, ours: Mapping[str, SpecFile]) -> bool:
        """Every file is good by itself and none is missing that was ever accepted."""
        return all(file.record for file in ours.values()) and self._accepted.rels() <= ours.keys()

    def _in_force(
        self,
        ours: Mapping[str, SpecFile],
        accepted: Mapping[str, SpecFile],
        errors: list[SpecError],
        *,
        are_linked: bool = False,
    ) -> SpecsRead:
        choice = _Choice(ours, accepted, [*errors], accepted_first=self._accepted_first)
        choice.drop_bad_files()
        if not are_linked:
            choice.drop_broken_links()
        return choice.read()


def _missing(rel: str) -> str:
    return (
        "is missing, which ends nothing: the last good version stays in force; write it again "
        f"(cp supervisor/accepted/{rel} spec/{rel}) and edit 'want'"
    )


def _tasks_among(rels: Iterable[str]) -> Iterator[str]:
    """Yield the ids of the tasks among spec files."""
    for rel in rels:
        folder, _, name = rel.rpartition("/")
        if folder == "tasks":
            yield name.removesuffix(".json")


class _Choice:
    """The choice is which version of each file is in force: candidates in order, dropped till all agree."""

    def __init__(
        self,
        ours: Mapping[str, SpecFile],
        accepted: Mapping[str, SpecFile],
        errors: list[SpecError],
        *,
        accepted_first: bool,
    ) -> None:
        self._accepted, self._errors = accepted, errors
        self._candidates: dict[str, list[SpecFile]] = {}
        for rel in sorted({*ours, *accepted}):
            order = [files[rel] for files in (ours, accepted) if rel in files]
            if len(order) == 2 and order[0].digest is not None and order[0].digest == order[1].digest:
                order = order[:1]
            self._candidates[rel] = order[::-1] if accepted_first else order
            if rel not in ours and not accepted_first:
                errors.append(whole_file(f"spec/{rel}", _missing(rel)))

    def drop_bad_files(self) -> None:
        """Leave only versions that are good by themselves; report what was preferred and is not."""
        for files in self._candidates.values():
            while files and files[0].record is None:
                self._errors.extend(files.pop(0).errors)
            files[:] = [file for file in files if file.record is not None]

    def drop_broken_links(self) -> None:
        """Drop versions of tasks that name what is not there or go in a circle, until none does."""
        while self._drop_dangling() or self._drop_circles():
            pass

    def read(self) -> SpecsRead:
        """Give what is left. Raises BadInput or NotATree without an orchestration."""
        chosen = {rel: files[0] for rel, files in self._candidates.items() if files}
        records = {rel: file.record for rel, file in chosen.items()}
        orchestration = records.get(ORCHESTRATION_REL)
        if not isinstance(orchestration, OrchestrationSpec):
            raise self._no_orchestration()
        specs = Specs(
            orchestration=orchestration,
            agents={record.name: record for record in records.values() if isinstance(record, AgentSpec)},
            tasks={record.id: record for record in records.values() if isinstance(record, TaskSpec)},
            refused=tuple(sorted(_tasks_among(self._candidates.keys() - chosen.keys()))),
        )
        return SpecsRead(
            specs=specs,
            errors=self._errors,
            digests={rel: file.digest or "" for rel, file in chosen.items()},
            raw={rel: file.data for rel, file in chosen.items()},
            unaccepted=[rel for rel, file in chosen.items() if not self._is_accepted(rel, file)],
        )

    def _is_accepted(self, rel: str, file: SpecFile) -> bool:
        return rel in self._accepted and self._accepted[rel].digest == file.digest

    def _no_orchestration(self) -> BadInput | NotATree:
        path = f"spec/{ORCHESTRATION_REL}"
        texts = [error.text for error in self._errors if error.path.endswith(ORCHESTRATION_REL)]
        if texts:
            return BadInput(*texts)
        return NotATree(f"{path}: is missing, with no good copy in supervisor/accepted; restore it")

    def _links(self) -> tuple[set[str], dict[str, Link]]:
        chosen = [files[0].record for files in self._candidates.values() if files]
        agents = {record.name for record in chosen if isinstance(record, AgentSpec)}
        return agents, links_of(record for record in chosen if isinstance(record, TaskSpec))

    def _drop_dangling(self) -> bool:
        agents, tasks = self._links()
        bad = {rel for rel, files in self._candidates.items() if not files}
        hints, faults = Hints(agents, tasks), list[LinkFault]()
        for task in needs_first(tasks):  # what needs a dropped task is dropped in the same round
            found = [*faults_of(task, tasks[task], agents, tasks, hints=hints, bad=bad)]
            faults += found
            if found and len(self._candidates[f"tasks/{task}.json"]) == 1:
                bad.add(f"tasks/{task}.json")
                del tasks[task]
        for fault in faults:
            file = self._candidates[f"tasks/{fault.task}.json"][0]
            self._errors.append(file.error(fault.at, fault.text))
        for task in {fault.task for fault in faults}:
            self._candidates[f"tasks/{task}.json"].pop(0)
        return bool(faults)

    def _drop_circles(self) -> bool:
        """Drop of each circle the versions that others may replace (what was edited), else all."""
        _, tasks = self._links()
        found = circles(tasks)
        doomed = set[str]()
        for circle in found:
            faults = {f"tasks/{fault.task}.json": fault for fault in circle_faults(circle, tasks)}
            edited = {rel for rel in faults if len(self._candidates[rel]) > 1}
            for rel in (edited or faults.keys()) - doomed:
                self._errors.append(self._candidates[rel][0].error(faults[rel].at, faults[rel].text))
                doomed.add(rel)
        for rel in doomed:
            self._candidates[rel].pop(0)
        return bool(found)
