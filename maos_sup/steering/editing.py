"""Puts a whole spec, as somebody edited it, in place of the old one; checked first. Durable on return."""

from __future__ import annotations

from maos_sup.steering.change import Change
from maos_sup.steering.setting import Kinds
from maos_sup.steering.wanting import known_agent, prompt
from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.files.reading import Unreadable, read_regular
from state_layout.paths import Tree
from state_layout.specs import edit_spec


def agent_text(tree: Tree, agent: str) -> str:
    """The spec of an agent as it is written, to be edited. Raises BadInput."""
    try:
        return read_regular(tree.agent_spec(known_agent(tree, agent)))[0].decode("utf-8", "replace")
    except (FileNotFoundError, Unreadable) as cause:
        why = "is not there" if isinstance(cause, FileNotFoundError) else cause
        raise BadInput(f"{tree.shown(tree.agent_spec(agent))}: {why}") from cause


def put_agent_text(tree: Tree, agent: str, text: str, *, kinds: Kinds) -> Change:
    """Put `text` in place as the spec of `agent`. Raises BadInput; the old one stays then."""
    path, subject = tree.agent_spec(known_agent(tree, agent)), f"agent {agent}"
    try:
        spec = codec.decode_object(text.encode())
    except codec.NotJson as cause:
        raise BadInput(f"{tree.shown(path)}: is no JSON object: {cause}; nothing was changed") from cause
    edit = edit_spec(tree, path, lambda before: spec, kinds=kinds)
    prompt(tree)
    before = edit.before or {}
    keys = sorted(key for key in {*before, *edit.after} if before.get(key) != edit.after.get(key))
    told = f"changed {', '.join(keys)}" if keys else "nothing was changed"
    return Change(subject=subject, text=f"{subject}: {told}", before=before, after=edit.after)
