"""Says how the team's tools are described to models: names, words, schemas. Pure, and light to import."""

from __future__ import annotations

from collections.abc import Mapping

Definition = dict[str, object]
MESSAGE_TYPES = ("info", "request", "reply", "discovery", "coordination", "error")
LONGEST_WAIT_S = 600.0


def schema(*required: str, **properties: Mapping[str, object]) -> Definition:
    """Make the JSON schema of an input."""
    return {"type": "object", "properties": properties, "required": list(required)}


def text_property(description: str) -> Definition:
    return {"type": "string", "description": description}


_SCOPE = text_property(
    "whose it is: agent (your own, the default), task, session, orchestration (the whole team's), "
    "custom:NAME (a table of the team), global"
)
_IF_VERSION = {
    "type": ["string", "null"],
    "description": "shared scopes: only if its version is still this one, as load_state gave it (null: only "
    "if there is no value); otherwise you are told who changed it and what it is",
}

DEFINITIONS: dict[str, tuple[str, Definition]] = {
    "send_message": (
        "Send a message to another agent, or to all of them with to = 'all'.",
        schema(
            "to",
            "text",
            to=text_property("name of an agent, or all"),
            text=text_property("the message"),
            type={"type": "string", "enum": list(MESSAGE_TYPES)},
            reply_to=text_property("id of the message that this one answers"),
        ),
    ),
    "read_messages": (
        "Read the messages of other agents and of the user that came since you read them last.",
        schema(wait_s={"type": "number", "description": "how long to wait for the first, at most 600"}),
    ),
    "report_discovery": (
        "Report something important that you found: all agents and the user get it.",
        schema("text", text=text_property("what you found, in a sentence or two")),
    ),
    "save_state": (
        "Keep a value under a key. It survives crashes and is there in your later tasks.",
        schema(
            "key",
            "value",
            key=text_property("the key"),
            value={},
            scope=_SCOPE,
            if_version=_IF_VERSION,
        ),
    ),
    "load_state": (
        "Get the value kept under a key (of a shared scope with its version); without a key, "
        "the list of keys.",
        schema(key=text_property("the key"), scope=_SCOPE),
    ),
    "list_state": (
        "List the keys that are kept.",
        schema(scope=_SCOPE, prefix=text_property("only keys that begin so")),
    ),
    "delete_state": (
        "Leave a key without a value.",
        schema("key", key=text_property("the key"), scope=_SCOPE, if_version=_IF_VERSION),
    ),
    "report_progress": (
        "Tell how far you are with your task.",
        schema(
            "value",
            value={"type": "number", "description": "0 to 1"},
            note=text_property("what you are at, in a few words"),
        ),
    ),
    "ask_human": (
        "Ask the user a question and wait for the answer, which may take long. Ask only what you cannot "
        "find out and must not decide yourself.",
        schema("question", question=text_property("the question, complete in itself")),
    ),
    "spawn_task": (
        "Add a task to the orchestration. Give 'agent' to have one that is there do it, or 'role' to have a "
        "new agent made for it. Its result is sent to you if you ask for that in the description.",
        schema(
            "description",
            description=text_property("what to do, complete in itself"),
            agent=text_property("name of an agent that is there"),
            role=text_property("what a new agent for it is to be, in words"),
            needs={"type": "array", "items": {"type": "string"}, "description": "tasks to do before"},
        ),
    ),
}
