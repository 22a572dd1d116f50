"""The words of the source: a class has its name for itself, and what docstrings name in backquotes exists."""

from __future__ import annotations

import ast
import builtins
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_NAMED = re.compile(r"`([A-Z][a-z0-9]+[A-Za-z0-9]*)(?:\.(\w+))?[^`]*`")  # `History`, `History.take(line)`
FOREIGN = {"core.fsmonitor"}  # git's
FOREIGN_WORDS = {"stroke_width", "sync_file_range"}
QUESTION_WORDS = frozenset({"What", "Who", "Whose", "Whether", "How", "Where", "Why", "When", "Which"})
_BEGINS_AS_A_NOUN = re.compile(  # "The path of a file.", "As above.", "`text` in one line."
    "(The|An?|All|Each|Every|One|Any|Some|Its|Ours?|Their|These|Those|This|Both|Whole"
    "|By|From|For|As|Of|At|In|With|X)( |$)"
)
_MAY_BE_A_VERB = re.compile(  # many a noun ends so, too: what is found is found for sure
    r" (\w+[^\Ws']s|\w+ed|is|are|were|have|had|do|did|may|can|cannot|must|will|would|should|could|might|said"
    "|told|began|went|came|made|gave|took|wrote|read|kept|lay|left|found|knew|stood|held|saw|lost|got|met|put|cut|let"
    r"|set|became|died|ran)\b"
)
_PLACED = re.compile(r"`((?:[a-z_]+\.)+[a-z_]+)`")  # `core.tasks`, `lives.snapshots`, `maos_sup.agents`


def sources(packages: Iterable[str] = ("maos_sup", "state_layout")) -> dict[str, ast.Module]:
    """Parse each file of ours, by its path."""
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for package in packages
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def classes(trees: Mapping[str, ast.Module]) -> Iterator[tuple[str, str]]:
    """Yield (name, file) for each class at the top of a module that is not private."""
    for path, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, path


def docstrings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def bound_names(trees: Iterable[ast.Module]) -> set[str]:
    """Every name that any module defines, imports or assigns, attributes and fields among them."""
    names = set(dir(builtins))
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                names.add(node.name)
            elif isinstance(node, ast.Name):
                names.add(node.id)
            elif isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.alias):
                names.add((node.asname or node.name).rpartition(".")[2])
    return names


def test_no_class_has_the_name_of_another() -> None:
    places = defaultdict[str, list[str]](list)
    for name, path in classes(sources()):
        places[name].append(path)
    twice = [f"{name}: {', '.join(paths)}" for name, paths in places.items() if len(paths) > 1]
    assert not twice, "\n".join(twice)


def test_what_a_docstring_names_exists() -> None:
    trees = sources()
    known = bound_names(trees.values())
    missing = [
        f"{path}: `{found[0]}`"
        for path, tree in trees.items()
        for text in docstrings(tree)
        for found in _NAMED.finditer(text)
        if found[1] not in known or (found[2] and found[2] not in known)
    ]
    assert not missing, "\n".join(missing)


def module_names(paths: Iterable[str]) -> set[str]:
    """The dotted name of each module, and each of its ends: `maos_sup.core.tasks`, `core.tasks`, `tasks`."""
    dotted = (path.removesuffix(".py").removesuffix("/__init__").split("/") for path in paths)
    return {".".join(parts[begin:]) for parts in dotted for begin in range(len(parts))}


def test_a_module_that_a_docstring_names_exists() -> None:
    trees = sources()
    modules = module_names(trees)
    packages = {name.partition(".")[0] for name in modules if "." in name}
    bound = bound_names(trees.values())
    missing = [
        f"{path}: `{name}`"
        for path, tree in trees.items()
        for text in docstrings(tree)
        for name in _PLACED.findall(text)
        if name.partition(".")[0] in packages
        and name not in modules | FOREIGN
        and not name.endswith((".json", ".jsonl"))  # files of a tree
        and (name.rpartition(".")[0] not in modules or name.rpartition(".")[2] not in bound)
    ]
    assert not missing, "\n".join(missing)


def test_a_class_of_the_same_name_is_found_and_a_private_one_is_not() -> None:
    tree = ast.parse("class Life: ...\nclass _Row: ...\ndef f():\n    class Inner: ...\n")
    assert [*classes({"a.py": tree})] == [("Life", "a.py")]


def test_a_name_that_is_gone_is_found() -> None:
    tree = ast.parse(
        'def f():\n    "Ask `Gone.word` and `History.take`, not `a b`."\nclass History:\n    take = 1\n'
    )
    known = bound_names([tree])
    named = [found for text in docstrings(tree) for found in _NAMED.finditer(text)]
    assert [found[1] for found in named if found[1] not in known] == ["Gone"]


def words_in(trees: Iterable[ast.Module]) -> set[str]:
    """Every word that stands in a short text, a parameter or a keyword: keys of records among them."""
    words = set[str]()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 60:
                words |= {*re.findall(r"\w+", node.value)}
            elif isinstance(node, ast.arg | ast.keyword) and node.arg:
                words.add(node.arg)
    return words


def test_a_word_with_an_underscore_that_a_docstring_names_exists() -> None:
    trees = sources()
    files = {name.rpartition(".")[2] for name in module_names(trees)}
    known = bound_names(trees.values()) | words_in(trees.values()) | files | FOREIGN_WORDS
    known |= {*re.findall(r"\w+", (ROOT / "state_layout" / "FORMAT.md").read_text(encoding="utf-8"))}
    missing = [
        f"{path}: `{name}`"
        for path, tree in trees.items()
        for text in docstrings(tree)
        for name in re.findall(r"`([a-z]+_[a-z_]+)`", text)
        if name not in known
    ]
    assert not missing, "\n".join(missing)


def half_sentences(trees: Mapping[str, ast.Module]) -> list[str]:
    """List modules, functions and classes whose docstring begins with a word that asks: `path:line name`."""
    return [
        f"{path}:{node.body[0].lineno} {getattr(node, 'name', '')}".rstrip()
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if (ast.get_docstring(node) or "x").split()[0] in QUESTION_WORDS
    ]


def is_noun_alone(text: str) -> bool:
    """The first sentence of `text` begins as a noun does, and no word in it can be a verb."""
    sentence = re.split(r"[.:;?!](?=\s|$)", " ".join(re.sub(r"`[^`]*`", "X", text).split()), maxsplit=1)[0]
    return bool(_BEGINS_AS_A_NOUN.match(sentence)) and not _MAY_BE_A_VERB.search(sentence)


def test_docstrings_begin_with_a_sentence() -> None:
    found = half_sentences(sources(["maos_sup", "state_layout", "bench"]))
    assert not found, "begin with a verb, or subject and verb:\n" + "\n".join(found)


def test_a_half_sentence_is_found() -> None:
    text = '"""What is left."""\n\n\ndef f():\n    """Whether it is."""\n\n\ndef g():\n    """Say it."""\n'
    assert half_sentences({"a.py": ast.parse(text)}) == ["a.py:1", "a.py:5 f"]


def test_no_docstring_is_a_noun_alone() -> None:
    found = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if is_noun_alone(ast.get_docstring(node) or "")
    ]
    assert not found, "say what it does (a verb first), or what it is (subject and verb):\n" + "\n".join(
        found
    )


def test_a_noun_alone_is_found() -> None:
    alone = ["The path of a file.", "`text` in one line: short.", "As above; never slow.", "One command."]
    whole = [
        "Name a file.",
        "The path leads to a file.",
        "`text` is short.",
        "A write failed.",
        "All are old.",
    ]
    assert [text for text in [*alone, *whole] if is_noun_alone(text)] == alone
