"""Lines as the real programs write them (codex 0.171, gemini 0.61, opencode 1.18)."""

from __future__ import annotations

from typing import Any

Line = dict[str, Any]
PROFILES = ("codex", "gemini", "opencode")


def begin(profile: str, session: str = "s-1") -> list[Line]:
    """Write what it says first."""
    if profile == "codex":
        return [{"type": "thread.started", "thread_id": session}, {"type": "turn.started"}]
    if profile == "gemini":
        return [{"type": "init", "session_id": session, "model": "gemini-2.5-pro"}]
    return [{"type": "step_start", "sessionID": session}]


def text(profile: str, said: str) -> list[Line]:
    """An answer."""
    if profile == "codex":
        return [{"type": "item.completed", "item": {"id": "item_0", "type": "agent_message", "text": said}}]
    if profile == "gemini":
        return [{"type": "message", "role": "assistant", "content": said, "delta": True}]
    return [{"type": "text", "part": {"text": said}}]


def call_begins(profile: str, id_: str, command: str) -> list[Line]:
    """A command is about to run; opencode does not say so."""
    if profile == "codex":
        item = {"id": id_, "type": "command_execution", "command": command, "status": "in_progress"}
        return [{"type": "item.started", "item": {**item, "exit_code": None, "aggregated_output": ""}}]
    if profile == "gemini":
        given = {"command": command}
        return [{"type": "tool_use", "tool_name": "run_shell_command", "tool_id": id_, "parameters": given}]
    return []


def call_ends(profile: str, id_: str, command: str, output: str, *, code: int = 0) -> list[Line]:
    """A command ran."""
    status = "failed" if code else "completed"
    if profile == "codex":
        item = {"id": id_, "type": "command_execution", "command": command, "status": status}
        return [{"type": "item.completed", "item": {**item, "exit_code": code, "aggregated_output": output}}]
    if profile == "gemini":
        return [
            {
                "type": "tool_result",
                "tool_id": id_,
                "status": "error" if code else "success",
                "output": output,
            }
        ]
    state: Line = {"input": {"command": command}, "status": "error" if code else "completed"}
    state |= {"error": output} if code else {"output": output}
    part = {"callID": id_, "tool": "bash", "state": state}
    step = {"reason": "tool-calls", "tokens": {"input": 100, "output": 10, "cache": {}}, "cost": 0}
    return [{"type": "tool_use", "part": part}, {"type": "step_finish", "part": step}]


def end(profile: str, *, tokens: int = 1000) -> list[Line]:
    """Its result, and what it used."""
    if profile == "codex":
        usage = {"input_tokens": tokens, "cached_input_tokens": 0, "output_tokens": 10}
        return [{"type": "turn.completed", "usage": usage}]
    if profile == "gemini":
        stats = {"input_tokens": tokens, "output_tokens": 10, "cached": 0}
        return [{"type": "result", "status": "success", "stats": stats}]
    step = {"reason": "stop", "tokens": {"input": tokens, "output": 10, "cache": {}}, "cost": 0}
    return [{"type": "step_finish", "part": step}]
