"""One spec file: read it, check it, say where it is wrong. What files say about each other is in `spec`.

`rel` is a path relative to `spec/` everywhere here, like `agents/bob.json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.files.reading import LARGEST_SPEC_BYTES, FileVersion, Unreadable, read_regular
from state_layout.paths import is_name
from state_layout.records import AgentSpec, OrchestrationSpec, TaskSpec
from state_layout.shapes import places
from state_layout.shapes.shape import At, Fault, Shape, Unknown
from state_layout.shapes.wording import key_text
from state_layout.specs.tables import AGENT, ORCHESTRATION, TASK

try:  # as `random` does: spec files are short, and OpenSSL takes 2 ms of each look to load
    from _sha2 import sha256 as _sha256  # type: ignore[import-not-found,unused-ignore]  # from Python 3.12 on
except ImportError:
    try:
        from _sha256 import sha256 as _sha256  # type: ignore[import-not-found,no-redef,unused-ignore]
    except ImportError:  # an interpreter without hashes of its own
        from hashlib import sha256 as _sha256

ORCHESTRATION_REL = "orchestration.json"
Record = OrchestrationSpec | AgentSpec | TaskSpec
Kinds = Mapping[str, Shape]


class SpecError(Struct, frozen=True, kw_only=True):
    """An error is one mistake in a spec file, as `status.json` shows it.

    `line` 0 and `key` "" mean the file as a whole; `digest` is the SHA-256 of the bytes judged, None where
    there are none (a missing file, a pipe in its place).
    """

    path: str  # relative to the tree
    line: int
    key: str
    text: str
    digest: str | None = None

    def to_json(self) -> dict[str, object]:
        return asdict(self)


class SpecFile(Struct, frozen=True, kw_only=True):
    """A spec file is as it was read: its `record` if it is good by itself, `errors` otherwise."""

    path: str  # relative to the tree
    version: FileVersion | None = None
    data: bytes = b""
    digest: str | None = None
    record: Record | None = None
    errors: tuple[SpecError, ...] = ()

    def error(self, at: At, text: str) -> SpecError:
        """Make the error `text` about the key at `at` of this file."""
        line = places.line_of(json_lines(self.data), at)
        return located(self.path, Fault(at=at, text=text), line=line, digest=self.digest)


def digest_of(data: bytes) -> str:
    """Hash a spec file's bytes by SHA-256."""
    digest: str = _sha256(data).hexdigest()
    return digest


def is_spec_path(rel: str) -> bool:
    """The path `rel` may be a spec file."""
    folder, _, name = rel.rpartition("/")
    return rel == ORCHESTRATION_REL or (
        folder in ("agents", "tasks") and name.endswith(".json") and is_name(name.removesuffix(".json"))
    )


def read_spec_file(
    path: str,
    *,
    rel: str,
    shown: str,
    kinds: Kinds,
    like: SpecFile | None = None,
    judged: str | None = None,
) -> SpecFile | None:
    """Read and check the file `path`, which stands for `rel`; None if it is not there. Never waits.

    `shown` names it in errors. Bytes equal to those of `like`, a good file, or with the digest `judged`, that
    of a good one, are not checked again.
    """
    try:
        data, version = read_regular(path)
    except FileNotFoundError:
        return None
    except Unreadable as cause:
        return SpecFile(path=shown, errors=(whole_file(shown, str(cause)),))
    if like is not None and like.record is not None and like.data == data:
        return replace(like, path=shown, version=version)
    if judged is not None and judged == digest_of(data):
        with suppress(ValueError, KeyError, TypeError, AttributeError):  # else it is looked at in full
            record = spec_record(rel, codec.decode_object(data))
            return SpecFile(path=shown, version=version, data=data, digest=judged, record=record)
    return checked(rel, data, path=shown, version=version, kinds=kinds)


def checked(
    rel: str, data: bytes, *, path: str, kinds: Kinds, version: FileVersion | None = None
) -> SpecFile:
    """Check the bytes of `rel`; `path` is named in errors."""
    digest = digest_of(data)
    value, errors = _decoded(path, data, digest)
    if value is None:
        return SpecFile(path=path, version=version, data=data, digest=digest, errors=errors)
    faults = spec_faults(rel, value, kinds=kinds)
    if errors or faults:
        lines = json_lines(data) if faults else {}
        errors += tuple(
            located(path, fault, line=places.line_of(lines, fault.at), digest=digest) for fault in faults
        )
        return SpecFile(path=path, version=version, data=data, digest=digest, errors=errors)
    return SpecFile(path=path, version=version, data=data, digest=digest, record=spec_record(rel, value))


def spec_faults(rel: str, value: dict[str, object], *, kinds: Kinds) -> list[Fault]:
    """List every mistake in `value` as the content of `rel`, links to other files aside."""
    return list(_shape(rel, value, kinds).faults(value, (), unknown=Unknown.KEPT))


def unknown_keys(rel: str, value: dict[str, object], *, kinds: Kinds) -> list[Fault]:
    """List the keys of `value` that nothing reads. They are legal, and may be mistyped.

    None for an agent of a kind that is not in `kinds`: its keys cannot be known.
    """
    if rel.startswith("agents/") and value.get("kind") not in kinds:
        return []
    known = {fault.at for fault in spec_faults(rel, value, kinds=kinds)}
    found = _shape(rel, value, kinds).faults(value, (), unknown=Unknown.REFUSED)
    return [fault for fault in found if fault.at not in known]


def encoded_spec(value: Mapping[str, Any]) -> bytes:
    """Encode a spec file. Raises BadInput, without its path, for what no reader would take."""
    try:
        data = codec.encode_pretty(dict(value))
    except TypeError as cause:
        raise BadInput(f"has no JSON form: {cause}") from cause
    if len(data) > LARGEST_SPEC_BYTES:
        sizes = {key: len(codec.encode(item)) for key, item in value.items()}
        longest = max(sizes, key=sizes.__getitem__)
        raise BadInput(
            f"takes {len(data):,} bytes as a spec file, {sizes[longest]:,} of them its {longest!r}; at most "
            f"{LARGEST_SPEC_BYTES:,} are read: put what is long into a file and name that"
        )
    return data


def spec_record(rel: str, value: dict[str, object]) -> Record:
    """Make the record of a good `value`."""
    name = rel.rpartition("/")[2].removesuffix(".json")
    if rel == ORCHESTRATION_REL:
        return OrchestrationSpec.from_json(value)
    return AgentSpec.from_json(name, value) if rel.startswith("agents/") else TaskSpec.from_json(name, value)


def located(path: str, fault: Fault, *, line: int, digest: str | None = None) -> SpecError:
    """Make an error of `fault` with its file and line."""
    key = key_text(fault.at).strip("'") if fault.at else ""
    return SpecError(path=path, line=line, key=key, text=f"{path}:{line}: {fault.text}", digest=digest)


def whole_file(path: str, text: str) -> SpecError:
    """Make an error about all of the file at `path`."""
    return SpecError(path=path, line=0, key="", text=f"{path}: {text}")


def repeated_keys(found: places.Places) -> Iterable[tuple[Fault, int]]:
    """Yield a fault and its line for each key that is there twice."""
    for at, first, line in found.repeated:
        yield Fault(at=at, text=places.repeat_text(at, first)), line


def json_lines(data: bytes) -> dict[At, int]:
    """Find the line of each key of valid JSON."""
    return places.json_places(data.decode()).lines


def _decoded(path: str, data: bytes, digest: str) -> tuple[dict[str, object] | None, tuple[SpecError, ...]]:
    """Decode the object in `data`, or None and what is wrong; keys that repeat are errors beside the
    object."""
    try:
        value = codec.decode_object(data)
        repeats = places.repeats_a_key(data)
    except (codec.NestedTooDeeply, RecursionError):
        line = places.deep_line(data.decode(), levels=codec.MOST_LEVELS)
        text = f"{path}:{line}: is nested too deeply; make it flatter"
        return None, (SpecError(path=path, line=line, key="", text=text, digest=digest),)
    except codec.NotJson as cause:
        text = not_json_text(data, cause)
        error = SpecError(
            path=path, line=cause.line, key="", text=f"{path}:{cause.line}: {text}", digest=digest
        )
        return None, (error,)
    if not repeats:
        return value, ()
    faults = repeated_keys(places.json_places(data.decode()))
    return value, tuple(located(path, fault, line=line, digest=digest) for fault, line in faults)


def not_json_text(data: bytes, cause: codec.NotJson) -> str:
    """Word for a person why bytes are no JSON object."""
    if not data.strip():
        return "is empty; write a JSON object {...}"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "is UTF-16; save it as UTF-8"
    if data.startswith(b"\xef\xbb\xbf"):
        return "begins with a byte order mark; save it as UTF-8 without one"
    if isinstance(cause, codec.NotUtf8):
        return "has a byte that is not UTF-8; save the file as UTF-8"
    return f"is no valid JSON object: {cause} (column {cause.column}); mend that line"


def _shape(rel: str, value: Mapping[str, Any], kinds: Kinds) -> Shape:
    if rel == ORCHESTRATION_REL:
        return ORCHESTRATION
    if rel.startswith("tasks/"):
        return TASK
    kind = value.get("kind")
    return AGENT.extended(kinds[kind]) if isinstance(kind, str) and kind in kinds else AGENT
