"""Tables of records, key by key, for FORMAT.md: made of the typed dictionaries in `state_layout.records`.

Each class gives a table: its first sentence, and of each key what JSON holds and the comment beside it. Reads
the source, which no orchestration does: for `make tables` and the test that FORMAT.md is up to date.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

BEGIN, END = "<!-- records: made by `make tables` -->", "<!-- records end -->"
_RECORDS = Path(__file__).parents[1] / "records"
_MODULES = ("attempt_lines", "shared_lines", "supervisor_lines", "snapshots", "of_host")
_WORDS = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "None": "null"}
_WORDS |= {"Any": "anything", "object": "anything", "Position": "[seq, offset, h]"}


def with_records(document: str) -> str:
    """Put the tables between their two marks in `document`. Raises ValueError if it has no marks."""
    begin = document.index(BEGIN) + len(BEGIN)
    return f"{document[:begin]}\n\n{records_text()}\n\n{document[document.index(END) :]}"


def records_text() -> str:
    """Make the tables of all records."""
    return "\n\n".join(text for name in _MODULES for text in _module_tables(name))


def _module_tables(name: str) -> Iterator[str]:
    source = (_RECORDS / f"{name}.py").read_text(encoding="utf-8")
    tree, lines = ast.parse(source), source.splitlines()
    yield f"### {(ast.get_docstring(tree) or name).partition(chr(10))[0]}"
    for node in tree.body:
        match node:
            case ast.ClassDef():
                yield _table(node, lines)
            case ast.Assign(
                value=ast.Call(func=ast.Name(id="TypedDict"), args=[ast.Constant(value=word), keys])
            ):
                yield _table_of(str(word), keys)  # `from` is a word of Python: no class can have it


def _table(node: ast.ClassDef, lines: list[str]) -> str:
    told = " ".join((ast.get_docstring(node) or "").split())
    bases = [base.id for base in node.bases if isinstance(base, ast.Name) and base.id != "TypedDict"]
    also = f" Has the keys of {', '.join(f'`{base}`' for base in bases)} as well." if bases else ""
    rows = [_row(each, lines) for each in node.body if isinstance(each, ast.AnnAssign)]
    head = f"**`{node.name}`** {told}{also}".strip()
    return "\n".join([head, "", "| key | holds | |", "|---|---|---|", *rows])


def _table_of(name: str, keys: ast.expr) -> str:
    """Make the table of a type that is no class."""
    pairs = zip(keys.keys, keys.values, strict=True) if isinstance(keys, ast.Dict) else ()
    rows = [_cells(key.value, kind, "") for key, kind in pairs if isinstance(key, ast.Constant)]
    return "\n".join([f"**`{name}`**", "", "| key | holds | |", "|---|---|---|", *rows])


def _row(node: ast.AnnAssign, lines: list[str]) -> str:
    comment = lines[node.lineno - 1].partition("  # ")[2].strip()
    return _cells(ast.unparse(node.target), node.annotation, comment)


def _cells(key: object, kind: ast.expr, comment: str) -> str:
    is_optional = False
    if isinstance(kind, ast.Subscript) and ast.unparse(kind.value) == "NotRequired":
        kind, is_optional = kind.slice, True
    notes = "; ".join(note for note in ("may be missing" if is_optional else "", comment) if note)
    return f"| `{key}` | {_words(kind)} | {notes.replace('|', '/')} |"


def _words(kind: ast.expr) -> str:
    """Say in words what JSON holds for an annotation."""
    match kind:
        case ast.BinOp(left=left, right=right):
            return f"{_words(left)} or {_words(right)}"
        case ast.Subscript(value=ast.Name(id="list"), slice=item):
            return f"list of {_words(item)}"
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[_, item])):
            return f"object of {_words(item)}"
        case ast.Subscript(value=ast.Name(id="Literal"), slice=words):
            return " or ".join(f"`{word}`" for word in _literals(words))
        case ast.Constant(value=None):
            return "null"
        case _:
            name = ast.unparse(kind)
            return _WORDS.get(name, f"`{name}`")


def _literals(node: ast.expr) -> list[str]:
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    return [str(part.value) for part in parts if isinstance(part, ast.Constant)]
