"""Files that anybody may have put there are read through `state_layout.files.reading`.

`state_layout.files.looking` says whether there are any.

`read_bytes`, `read_text` and `open` wait for the other end of a pipe and read a device for ever. Who reads
plainly all the same stands here, with the reason why nothing else can lie there.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from test_architecture import modules

GUIDE = "use read_record, opened_record, read_foreign or read_regular of state_layout.files.reading"
PLAIN = {
    "of the package itself": {
        *("maos_sup.agents.kinds.cli.profile", "maos_sup.planner.templates", "maos_sup.report.html_page"),
        *("maos_sup.web.answers", "state_layout.catalogue.__main__", "state_layout.catalogue.record_tables"),
        "maos_sup.cli.manual",
    },
    "of the kernel": {
        *("maos_sup.agents.sandbox.aliases", "maos_sup.cli.probes.host", "maos_sup.launchers.zygote"),
        "maos_sup.system.linux",
    },
    "named by a person, and may be a pipe: <(...)": {
        *(
            "maos_sup.cli.passphrases",
            "maos_sup.loopback.rules",
            "maos_sup.moving.keys",
            "maos_sup.web.serving",
        ),
    },
    "made by the same process, in a folder of its own": {
        *("maos_sup.cli.screen", "maos_sup.integrations.integrity", "maos_sup.moving.exporting"),
        "maos_sup.system.shared_probe",
    },
    "looked at just before": {
        *("maos_sup.agents.kinds.claude.rules", "maos_sup.incoming.agents_md", "maos_sup.incoming.sessions"),
        *("maos_sup.incoming.maos.database", "maos_sup.incoming.transcripts", "maos_sup.moving.importing"),
        "maos_sup.planner.survey",
    },
}


def plain_reads(source: str) -> Iterator[int]:
    """Yield the lines that read a file without a look at what it is."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        mode = next((arg.value for arg in node.args if isinstance(arg, ast.Constant)), "r")
        is_read = node.func.attr == "open" and not node.args[1:] and str(mode).startswith("r")
        is_named = not node.args or isinstance(node.args[0], ast.Constant)
        if node.func.attr in ("read_bytes", "read_text") or (is_read and is_named):
            yield node.lineno


def test_files_are_read_with_a_look_at_what_they_are() -> None:
    allowed = {module for named in PLAIN.values() for module in named}
    found = {module: [*plain_reads(source)] for module, source, _ in modules()}
    problems = [
        f"{module}:{line}: reads a file plainly; {GUIDE}"
        for module, lines in found.items()
        if module not in allowed
        for line in lines
    ]
    assert not problems, "\n".join(problems)
    assert not [module for module in sorted(allowed) if not found[module]], "need no place in PLAIN any more"


@pytest.mark.parametrize(
    ("source", "is_plain"),
    [
        ("path.read_bytes()", True),
        ("path.read_text('utf-8')", True),
        ("path.open()", True),
        ("path.open('rb')", True),
        ("path.open('xb')", False),
        ("os.open(path, os.O_RDONLY | os.O_NONBLOCK)", False),
        ("client.open(name, 'rb')", False),
        ("read_record(path)", False),
    ],
)
def test_a_plain_read_is_found(source: str, is_plain: bool) -> None:
    assert bool([*plain_reads(source)]) is is_plain


LOOKS = ("exists", "is_dir", "is_file", "is_symlink")


def own_looks(source: str) -> Iterator[str]:
    """Yield the looks by pathlib, for which a file that nobody can look at is absent from Python 3.14 on.

    An entry of `os.scandir` has methods of the same names, and asks nobody.
    """
    is_scanned = "scandir" in source or "DirEntry" in source
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        is_look = node.func.attr in LOOKS and not (node.args or node.keywords)
        if is_look and not (is_scanned and ast.unparse(node.func.value) == "entry"):
            yield f"{node.lineno}: {ast.unparse(node)}"


def test_what_cannot_be_looked_at_is_not_absent() -> None:
    found = {module: [*own_looks(source)] for module, source, _ in modules()}
    found = {module: looks for module, looks in found.items() if looks}
    assert found == {}, "use exists, is_dir, is_regular or is_link of state_layout.files.looking"


def test_a_look_by_pathlib_is_found() -> None:
    looks = "\n".join(
        ("folder.is_dir()", "(a / b).exists()", "entry.is_dir()", "scene.is_file(path)", "is_dir(path)")
    )
    pathlibs = ["1: folder.is_dir()", "2: (a / b).exists()"]
    assert [*own_looks(f"{looks}\nos.scandir(path)")] == pathlibs
    assert [*own_looks(looks)] == [*pathlibs, "3: entry.is_dir()"]
