"""The first prompt tells the model who is in its team."""

from __future__ import annotations

from collections.abc import Callable

from talking import Talk, finish, steps


def test_first_prompt_names_the_team_and_what_each_is_for(talk: Callable[..., Talk]) -> None:
    one = talk(steps(finish()), {"ann": {}, "bob": {"role": "You count.\nAlways."}, "cid": {}})
    assert one.stage.run("ann") == 0, one.stage.log()
    [first] = [block for block in one.messages()[0]["content"] if "<team>" in block["text"]]
    assert "<team>\n- bob: You count.\n- cid: anthropic\n</team>" in first["text"]
