"""Scripts in files: which rule answers, which reply comes, when faults strike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from maos_sup.loopback.request import LoopbackRequest, text_of
from maos_sup.loopback.rules import BadScript, load_rules, make_rules


def asked(*texts: str, number: int = 1, of_conversation: int = 1, **more: Any) -> LoopbackRequest:
    roles = ("user", "assistant")
    messages = [{"role": roles[index % 2], "content": text} for index, text in enumerate(texts)]
    body = {"model": "m", "max_tokens": 1, "messages": messages, **more}
    return LoopbackRequest(number=number, body=body, of_conversation=of_conversation)


def test_reply_is_chosen_by_the_place_in_the_conversation_not_by_a_counter() -> None:
    script = make_rules({"rule": [{"reply": [{"text": "one"}, {"text": "two"}]}]})
    for _ in range(2):
        assert text_of(list(script(asked("x")).content)) == "one"
        assert text_of(list(script(asked("x", "one", "y")).content)) == "two"


def test_first_matching_rule_answers_and_its_groups_are_filled_in() -> None:
    rules = [
        {"match": {"system": "poet"}, "reply": [{"text": "rhyme"}]},
        {
            "match": {"last_user": r"add (?P<a>\d+)"},
            "reply": [{"tools": [{"name": "f", "input": {"x": "${a}"}}]}],
        },
    ]
    script = make_rules({"rule": rules})
    assert text_of(list(script(asked("add 3", system="a poet")).content)) == "rhyme"
    assert script(asked("add 3")).content[0]["input"] == {"x": "3"}


def test_past_the_end_is_an_error_unless_the_last_reply_repeats() -> None:
    entry: dict[str, Any] = {"reply": [{"text": "one"}]}
    longer = asked("x", "one", "y")
    fault = make_rules({"rule": [entry]})(longer).fault
    assert fault is not None
    assert "no reply 2" in fault.message
    assert make_rules({"rule": [entry | {"repeat_last": True}]})(longer).fault is None


def test_faults_strike_at_their_requests_and_only_so_often() -> None:
    script = make_rules(
        {
            "rule": [{"reply": [{"text": "ok"}], "repeat_last": True}],
            "fault": [
                {"at": [2], "status": 429, "retry_after_s": 3},
                {"match": {"last_user": "fragile"}, "times": 1, "kind": "drop", "after_chunks": 1},
            ],
        }
    )
    assert script(asked("x", number=1)).fault is None
    assert script(asked("x", number=2)).fault is not None
    first, second = script(asked("fragile", number=3)), script(asked("fragile", number=4))
    assert first.fault is not None and first.fault.kind == "drop"
    assert second.fault is None


def test_rule_that_advances_by_request_answers_repeats_differently() -> None:
    entry = {"advance": "request", "reply": [{"text": "one"}, {"text": "two"}]}
    script = make_rules({"rule": [entry]})
    assert text_of(list(script(asked("x", of_conversation=2)).content)) == "two"


BAD = [
    ("[[rule]]\nreplies = []", "replies"),
    ("[[rule]]\nmatch = { sytem = 'x' }\nreply = []", "sytem"),
    ("[[rule]]\nmatch = { system = '(' }\nreply = []", "script.toml"),
    ("rule = ", "script.toml"),
    ("[[fault]]\nkind = 'flood'", "flood"),
    ("rule = ['x']", r"rule\[0\]' is 'x'; use a table"),
    ("[[rule]]\nreply = [{ text = 3 }]", r"rule\[0\].reply\[0\].text' is 3; use text"),
    ("[[rule]]\nmatch = 'x'\nreply = []", r"rule\[0\].match' is 'x'; use a table"),
    ("[[rule]]\nreply = []\npace = { chunk_chars = 'x' }", "chunk_chars' is 'x'; use a whole number"),
]


@pytest.mark.parametrize(("text", "named"), BAD)
def test_bad_script_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "script.toml"
    path.write_text(text)
    with pytest.raises(BadScript, match=named):
        load_rules(path)
