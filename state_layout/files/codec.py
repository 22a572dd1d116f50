"""The one door to JSON: bytes out, checked values in. The only module that decodes, by orjson and msgspec.

orjson turns NaN and infinities into null without a word; they are refused here instead (`encode`).
Text that is no valid UTF-8 (lone surrogates from file names, broken program output) is replaced
by `?` rather than lost.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec
import orjson

type_names = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


MOST_LEVELS = 100  # of what programs and people give
MOST_LEVELS_OF_RECORDS = 254  # what orjson can write

_PRETTY = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
_PLAIN = frozenset({str, int, bool, type(None)})
_FLAT = _PLAIN | {float}
_find_null = re.compile(b"null").search  # twice as fast as `in`


_T = TypeVar("_T", bound=msgspec.Struct)


class NotJson(ValueError):
    """The bytes are no JSON; `line` and `column` count from 1."""

    def __init__(self, text: str, *, line: int, column: int) -> None:
        super().__init__(text)
        self.line, self.column = line, column


class NotUtf8(NotJson):
    """A byte is there that no UTF-8 has; `line` and `column` are its."""


class NestedTooDeeply(NotJson):
    """It may be JSON, but none that could be written again."""


def encode(value: object) -> bytes:
    """Encode `value` compactly, key order kept.

    Raises TypeError for values that JSON has no form for (NaN, infinities, sets, own classes).
    """
    try:
        encoded = orjson.dumps(value)
    except orjson.JSONEncodeError:
        encoded = orjson.dumps(_mended(value))
    if _find_null(encoded):
        _refuse_nan(value)
    return encoded


def encode_again(value: object) -> bytes:
    """Encode what is made of values that `encode` took before and of our own: NaN is not looked for again.

    Raises TypeError for values that JSON has no form for.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return orjson.dumps(_mended(value))


def encode_plain(objects: Sequence[Mapping[str, object]]) -> bytes | None:
    """Encode the list of `objects` if each is decoded as what it is and its values cannot change; else None.

    It is so where all values are text, whole numbers, truths or nothing, and all text is valid.
    """
    for each in objects:
        if type(each) is not dict or not _PLAIN.issuperset(map(type, each.values())):
            return None
    try:
        return orjson.dumps(objects)
    except orjson.JSONEncodeError:
        return None


def encode_member(key: str, value: object) -> bytes:
    """Encode one member of an object, for `encode_joined`: where few of many changed, few are encoded again.

    Raises as `encode`.
    """
    return encode(key) + b":" + encode(value)


def encode_joined(members: Iterable[bytes]) -> bytes:
    """Encode the object of these members, compactly."""
    return b"{" + b",".join(members) + b"}"


def encode_struct(value: msgspec.Struct) -> bytes:
    """Encode a struct compactly, as `TypedLines` decodes it. Raises UnicodeEncodeError for no text."""
    return msgspec.json.encode(value)


def encode_pretty(value: object) -> bytes:
    """Encode `value` for people: two spaces, a line feed at the end. Raises as `encode`."""
    encode(value)
    try:
        return orjson.dumps(value, option=_PRETTY)
    except orjson.JSONEncodeError:
        return orjson.dumps(_mended(value), option=_PRETTY)


def _refuse_other_encodings(data: bytes | str) -> None:
    """Raise NotUtf8 if `data` is none: orjson names no place then."""
    if isinstance(data, str):
        return
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line, start = data.count(b"\n", 0, error.start) + 1, data.rfind(b"\n", 0, error.start) + 1
        raise NotUtf8("a byte is not UTF-8", line=line, column=error.start - start + 1) from error


def decode(data: bytes | str) -> Any:
    """Decode one JSON value. Raises NotJson with line and column, also for what `encode` could not give."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        _refuse_other_encodings(data)
        raise NotJson(error.msg, line=error.lineno, column=error.colno) from error
    except RecursionError as error:
        raise NestedTooDeeply("nested too deeply", line=1, column=1) from error
    if _may_be_deep(data) and not _is_flat(value):
        raise NestedTooDeeply("nested too deeply", line=1, column=1)
    return value


def is_nested_too_deeply(value: object) -> bool:
    """The `value`, put into a record and shown with others, might be too deep to be written."""
    return not _is_flat(value, inside=MOST_LEVELS_OF_RECORDS - MOST_LEVELS)


def _may_be_deep(data: bytes | str) -> bool:
    if isinstance(data, str):
        return data.count("[") + data.count("{") > MOST_LEVELS_OF_RECORDS
    return data.count(b"[") + data.count(b"{") > MOST_LEVELS_OF_RECORDS


def _is_flat(value: object, *, inside: int = 0) -> bool:
    """The `value` can be written within `inside` more levels: what was read must be."""
    for _ in range(inside):
        value = [value]
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return True


def decode_object(data: bytes | str) -> dict[str, Any]:
    """Decode one JSON object. Raises NotJson, also for other values."""
    value = decode(data)
    if not isinstance(value, dict):
        raise NotJson(f"{type_names.get(type(value), 'null')} where an object belongs", line=1, column=1)
    return value


def decode_objects(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """Decode each of `lines`, as `decode_object` does, with one call for all. Raises NotJson."""
    whole = b"[%b]" % b",".join(lines)
    try:
        values: list[dict[str, Any]] = orjson.loads(whole)
    except (orjson.JSONDecodeError, RecursionError):
        values = []
    if len(values) != len(lines) or not all(type(value) is dict for value in values):
        return [decode_object(line) for line in lines]
    if max(map(len, lines), default=0) > 2 * MOST_LEVELS_OF_RECORDS and not _are_plain(values):
        return [decode_object(line) for line in lines] if _may_be_deep(whole) else values
    return values


def _are_plain(objects: Sequence[Mapping[str, object]]) -> bool:
    """Say whether nothing is within anything else: told faster than brackets are counted."""
    return all(_FLAT.issuperset(map(type, each.values())) for each in objects)


class TypedLines(Generic[_T]):
    """Decodes lines into structs that name the few fields wanted: the others are passed over unread."""

    def __init__(self, struct: type[_T]) -> None:
        self._struct, self._decoder = struct, msgspec.json.Decoder(struct)

    def decode(self, lines: Sequence[bytes]) -> list[_T]:
        """Decode each of `lines`, JSON objects without line feeds. Raises NotJson, also for a field of
        another type.

        What only orjson takes for JSON is decoded by it.
        """
        try:
            found = self._decoder.decode_lines(b"\n".join(lines))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = []
        if len(found) == len(lines):  # an empty line is passed over
            return found
        return [self._converted(line) for line in lines]

    def _converted(self, line: bytes) -> _T:
        try:
            return msgspec.convert(decode_object(line), self._struct)
        except msgspec.ValidationError as error:
            raise NotJson(str(error), line=1, column=1) from error


def _refuse_nan(value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError(f"JSON has no form for {value}")
    if isinstance(value, dict):
        for item in value.values():
            _refuse_nan(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_nan(item)


def _mended(value: object) -> object:
    """`value` with invalid text replaced and keys made text; other bad values raise TypeError later."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {str(_mended(str(key))): _mended(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 63:
        raise TypeError("whole numbers beyond 64 bits have no portable JSON form")
    return value
