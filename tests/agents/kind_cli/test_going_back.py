"""How much of a session's file counts, by what is on record of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from maos_sup.agents.kinds.cli.exporting import cut_document, with_other_ids
from maos_sup.agents.kinds.cli.going_back import Branch, copy_branch, find_branch
from maos_sup.agents.kinds.cli.profile import PROFILES, Profile, read_profile
from maos_sup.agents.kinds.shared.memory import RunMemory
from state_layout.specs.kinds import BUILT_IN

SESSION, OTHER = "11111111-aaaa", "22222222-bbbb"
HEAD: dict[str, Any] = {"session": SESSION}


def result(*ids: str) -> dict[str, Any]:
    return {"what": "result", "calls": [{"id": id_} for id_ in ids]}


def text(id_: str) -> dict[str, Any]:
    return {"what": "text", "id": id_}


PROFILE = Profile(
    start_argv=("x",),
    resume_argv=("x", "{session}"),
    back_files="*.jsonl",
    back_parser=(
        {"when": {"what": "result"}, "is": "tool_result", "id": "calls.*.id"},
        {"when": {"what": "heard"}, "is": "result", "id": "id"},
        {"when": {"what": "text"}, "is": "text", "id": "id"},
        {"when": {"what": "used"}, "is": "usage", "input_tokens": "input"},
    ),
)


def found(home: Path, records: list[dict[str, Any]], *said: tuple[str, str]) -> Branch | None:
    data = b"".join(json.dumps(record).encode() + b"\n" for record in [HEAD, *records])
    (home / f"session-{SESSION}.jsonl").write_bytes(data)
    return find_branch(home, RunMemory(task="t", run=1, session=SESSION, said=[*said]), PROFILE)


WHOLE = [text("m1"), result("a"), {"what": "used", "input": 7}, text("m2"), result("b"), text("m3")]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ([("result", "a")], 2),
        ([("result", "a"), ("text", "")], 2),
        ([("result", "a"), ("text", ""), ("result", "b")], 5),
        ([("result", "a"), ("result", "b"), ("text", ""), ("text", ""), ("text", "")], 6),
        ([("text", "")], 1),
        ([("result", "item_1")], 2),  # named otherwise: counted
        ([("result", "item_1"), ("result", "item_2")], 5),
    ],
)
def test_it_counts_up_to_what_is_on_record(tmp_path: Path, said: list[tuple[str, str]], kept: int) -> None:
    branch = found(tmp_path, WHOLE, *said)
    assert branch is not None
    assert len(branch.data.splitlines()) == 1 + kept
    assert branch.used == ({"input_tokens": 7} if kept > 3 else {})


@pytest.mark.parametrize(
    ("records", "said"),
    [
        (WHOLE, []),  # nothing was answered
        (WHOLE, [("result", "a"), ("result", "b"), ("result", "c")]),  # more than it has
        (WHOLE, [("result", "b")]),  # what came before is on no record
        ([result("a", "b")], [("result", "a")]),  # two in one record, one of them on record
    ],
)
def test_what_does_not_fit_is_no_branch(
    tmp_path: Path, records: list[dict[str, Any]], said: list[tuple[str, str]]
) -> None:
    assert found(tmp_path, records, *said) is None


def test_record_that_the_conversation_has_a_result_is_kept_with_it(tmp_path: Path) -> None:
    branch = found(tmp_path, [result("a"), {"what": "heard", "id": "a"}, result("b")], ("result", "a"))
    assert branch is not None and len(branch.data.splitlines()) == 3


def test_copy_has_a_name_of_its_own_in_the_file_and_in_its_name(tmp_path: Path) -> None:
    branch = found(tmp_path, WHOLE, ("result", "a"))
    assert branch is not None
    copy_branch(branch, session=SESSION, to=OTHER)
    copied = (tmp_path / f"session-{OTHER}.jsonl").read_bytes()
    assert copied == branch.data.replace(SESSION.encode(), OTHER.encode())
    assert (tmp_path / f"session-{SESSION}.jsonl").read_bytes().count(b"\n") == 7


def message(role: str, *parts: str) -> dict[str, Any]:
    """Parts: `text`, else the id of a call."""
    made = [{"type": "text"} if part == "text" else {"type": "tool", "callID": part} for part in parts]
    return {"info": {"role": role}, "parts": [*made, {"type": "end"}]}


DOCUMENT = [
    message("user", "text"),
    message("assistant", "text", "a"),
    message("assistant", "text", "b", "c"),
    message("assistant", "text"),
]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("a", [2, 3]),
        ("a text", [2, 3]),
        ("a b", [2, 3, 2]),  # no word of the other call of that answer
        ("a b c", [2, 3, 4]),
        ("a b c text text", [2, 3, 4]),
        ("a b c text text text", [2, 3, 4, 2]),
        ("b", None),  # what came before is on no record
        ("a b c d", None),
        ("", None),
    ],
)
def test_document_is_cut_after_what_is_on_record(said: str, kept: list[int] | None) -> None:
    told = [("text", "") if word == "text" else ("result", word) for word in said.split()]
    data = cut_document(json.dumps({"info": {}, "messages": DOCUMENT}).encode(), told)
    found = None if data is None else [len(each["parts"]) for each in json.loads(data)["messages"]]
    assert found == kept


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"messages":7}', b'{"messages":[{"parts":[]}]}'])
def test_document_of_another_form_is_no_branch(data: bytes) -> None:
    assert cut_document(data, [("result", "a")]) is None


def test_ids_are_others_and_sort_as_before() -> None:
    old = [f'"msg_0000000000{number:02}AbCdEfGhIjKlMn"'.encode() for number in range(3)]
    one, two = (with_other_ids(b" ".join(old), salt=salt).split() for salt in ("one", "two"))
    assert one == sorted(one) and len({*old, *one, *two}) == 9
    assert [len(id_) for id_ in one] == [len(id_) for id_ in old]
    assert with_other_ids(b" ".join(old), salt="one").split() == one


def test_profiles_that_go_back_are_those_of_which_it_is_said() -> None:
    ways = {"back_files", "import_argv"}
    assert {name for name in PROFILES if ways & read_profile(name).keys()} == BUILT_IN["cli"].branching[
        "profile"
    ]
