"""Plans as files: what is no TOML or JSON, no text, no file; and lines in both."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from maos_sup.planner.document import LARGEST_PLAN_BYTES, read_document
from maos_sup.planner.plan import Plan, load_plan
from state_layout.errors import BadInput
from state_layout.shapes.shape import Shape

Load = Callable[..., Plan]

# name, bytes, how the only problem begins after the folder
UNREADABLE: tuple[tuple[str, bytes, str], ...] = (
    ("p.json", b"", "p.json:1: is empty; write a JSON object {...}"),
    ("p.json", b" \n ", "p.json:1: is empty; write a JSON object {...}"),
    ("p.json", b"[]", "p.json:1: is no valid JSON object: a list where an object belongs"),
    ("p.json", b"null", "p.json:1: is no valid JSON object: null where an object belongs"),
    ("p.json", b'{\n "request": "r",\n}', "p.json:2: is no valid JSON object: "),
    ("p.json", b'{"limits": {\n"timeout_s": 1e999}}', "p.json:2: is no valid JSON object: "),
    ("p.json", b'{"request": NaN}', "p.json:1: is no valid JSON object: "),
    ("p.json", b'{"a": 1}\n{"b": 2}', "p.json:2: is no valid JSON object: "),
    ("p.json", b'{"request": "\\ud800"}', "p.json:1: is no valid JSON object: "),
    (
        "p.json",
        b'{"request":\n "\xff"}',
        "p.json:2: has a byte that is not UTF-8; save the file as UTF-8",
    ),
    ("p.json", b'{"a":' * 3000, "p.json:1: is no valid JSON object: "),
    ("p.json", b'{"a":' * 990 + b"1" + b"}" * 990, "p.json:1: is nested too deeply; make it flatter"),
    (
        "p.json",
        b'{"request": "[[[",\n"limits":\n' + b'{"a":' * 300 + b"1" + b"}" * 301,
        "p.json:3: is nested too deeply; make it flatter",
    ),
    ("plan", b'{"a"', "plan:1: is no valid JSON object: "),
    ("p.toml", b"x = " + b"[" * 9000, "p.toml:1: is nested too deeply; make it flatter"),
    (
        "p.toml",
        b"# [[[\ny = '''\n[[[\n'''\nx = " + b"[" * 9000,
        "p.toml:5: is nested too deeply; make it flatter",
    ),
    ("p.toml", b"y = 1\n" + b"a." * 90 + b"b = 1", "p.toml:2: is nested too deeply; make it flatter"),
    ("p.toml", b"y = 1\nx = " + b"9" * 5000, "p.toml:2: holds a number that is too long; use at most 18"),
    ("p.toml", b"y = 1\nx = \0", "p.toml:2: is no valid TOML: invalid value; mend this line: x = \\x00"),
    ("p.toml", b"y = 1\n\0", "p.toml:2: is no valid TOML: invalid statement; mend this line: \\x00"),
    (
        "p.toml",
        b'request = "r"\nx = "\xff"',
        "p.toml:2: has a byte that is not UTF-8; save the file as UTF-8",
    ),
    ("p.toml", 'request = "r"'.encode("utf-16"), "p.toml:1: is UTF-16; save it as UTF-8"),
    ("p.json", '{"request": "r"}'.encode("utf-16"), "p.json:1: is UTF-16; save it as UTF-8"),
    ("p.yaml", b"request: r", "p.yaml: is YAML; write the plan as TOML or JSON"),
    ("p.yml", b"request: r", "p.yml: is YAML; write the plan as TOML or JSON"),
    ("p.toml", b"#" * (LARGEST_PLAN_BYTES + 1), "p.toml: has 4194305 bytes; keep it below 4194304"),
)

JSON_MISTAKES: tuple[tuple[str, list[str]], ...] = (
    (
        '{"request": "r",\n "request": "s",\n'
        ' "agents": {"a": {"kind": "python", "callable": "json:loads", "task": "t"}}}',
        ["2: 'request' is there twice, first on line 1; remove one"],
    ),
    (
        '{"request": "r", "agents": {"a": {"kind": "python", "callable": "json:loads", "task": "t",\n'
        ' "env": {"A": "1",\n "A": "2"}}}}',
        ["3: 'agents.a.env.A' is there twice, first on line 2; remove one"],
    ),
    (
        '{"request": "r",\n "agents": {"a": {"kind": "python",\n "callable": "json:loads",\n "task": null}}}',
        [
            "4: 'agents.a.task' is null; use text that says what to do",
        ],
    ),
    (
        '{"request": "r", "agents": {"a": {"kind": "python", "callable": "json:loads", "task": "t"}},\n'
        ' "tasks": [\n  {"id": "t1", "agent": "a"},\n  {"id": "t2",\n   "agent": "b"}]}',
        ["5: task 't2': 'agent' is 'b', which is no agent; use a"],
    ),
    (
        '{"request": "r", "agents": {"a": {"kind": "python", "callable": "json:loads", "task": "t"}},\n'
        ' "limits": {"on_failure": "halt",\n "max_agents": "four"}}',
        [
            "2: 'limits.on_failure' is 'halt'; use continue or stop",
            "3: 'limits.max_agents' is 'four'; use a whole number from 1 up to 10000",
        ],
    ),
    (
        '{"request": "r", "limits": {"timeout_s": 99999999999999999999999},\n'
        ' "agents": {"a": {"kind": "python", "callable": "json:loads", "task": "t"}}}',
        ["1: 'limits.timeout_s' is 1e+23; use a number above 0 up to 1e+09"],
    ),
)


@pytest.mark.parametrize(("name", "data", "expected"), UNREADABLE, ids=[row[2][:50] for row in UNREADABLE])
def test_file_that_is_no_plan_is_refused(
    tmp_path: Path, kinds: dict[str, Shape], name: str, data: bytes, expected: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadInput) as raised:
        load_plan(tmp_path / name, kinds=kinds)
    (problem,) = raised.value.problems
    assert problem.startswith(f"{tmp_path}/{expected}")


@pytest.mark.parametrize(("text", "expected"), JSON_MISTAKES)
def test_mistake_in_json_is_named_with_its_line(
    load: Load, tmp_path: Path, text: str, expected: list[str]
) -> None:
    with pytest.raises(BadInput) as raised:
        load(text, "plan.json")
    assert [*raised.value.problems] == [f"{tmp_path}/plan.json:{line}" for line in expected]


def test_byte_order_mark_is_no_mistake_of_a_plan(load: Load) -> None:
    plan = b'\xef\xbb\xbfrequest = "r"\nagents.a = { kind = "command", command = ["true"], task = "t" }\n'
    assert load(plan).orchestration["request"] == "r"


def test_windows_line_ends_keep_their_lines(load: Load, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as raised:
        load(
            b'request = "r"\r\n\r\n'
            b'agents.a = { kind = "command", command = ["true"], task = "t" }\r\nx = 1\r\n'
        )
    assert raised.value.problems[0].startswith(f"{tmp_path}/plan.toml:4: 'x' is no known key")


def test_plan_that_is_not_there_is_named(tmp_path: Path, kinds: dict[str, Shape]) -> None:
    with pytest.raises(BadInput, match=r"no\.toml: is not there; name the file of a plan"):
        load_plan(tmp_path / "no.toml", kinds=kinds)


def test_folder_with_a_plan_in_it_is_hinted_at(tmp_path: Path, kinds: dict[str, Shape]) -> None:
    (tmp_path / "plan.toml").write_text("")
    with pytest.raises(BadInput) as raised:
        load_plan(tmp_path, kinds=kinds)
    text = f"{tmp_path}: is a folder; put a regular file there; did you mean {tmp_path}/plan.toml?"
    assert raised.value.problems == (text,)


def test_plan_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_text('request = "r"')
    (tmp_path / "plan.toml").symlink_to("real.toml")
    assert read_document(tmp_path / "plan.toml").value == {"request": "r"}


def test_pipe_socket_device_and_long_name_never_hang(tmp_path: Path, kinds: dict[str, Shape]) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s.toml"))
        for path, why in (
            (tmp_path / "pipe.toml", "is a pipe; put a regular file there"),
            (tmp_path / "s.toml", "is a socket; put a regular file there"),
            (Path("/dev/zero"), "is a device; put a regular file there"),
            (tmp_path / ("x" * 300), "cannot be opened: File name too long; put a regular file there"),
        ):
            with pytest.raises(BadInput) as raised:
                load_plan(path, kinds=kinds)
            assert raised.value.problems == (f"{path}: {why}",)
