"""Says how a command line is called and understood: a profile, ready-made or written into the agent's
settings.

A profile is data: arguments to start and to resume a session, how the prompt gets in, which lines of its
output mean what. `profiles/` has those for codex, gemini and opencode; any key of a spec goes before them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.shapes.shape import Effect, Field, Flag, Free, ListOf, MapOf, Number, OneOf, Shape, Text
from state_layout.specs.tables import BUDGET

_FOLDER = Path(__file__).parent / "profiles"
PROFILES = tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))
MEANINGS = (
    *("session", "text", "piece", "tool_call", "tool_result", "tool_error"),
    *("usage", "result", "error", "final_error", "warning"),
)
PATHS = (
    *("session", "model", "text", "id", "name", "input", "content", "status", "cost_usd", "total_tokens"),
    *("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
)
PRICES = ("input", "output", "cache_read", "cache_write")
_argv = ListOf(item=Text(), wish='a list like ["tool", "run", "--json"]')
_numbers = ListOf(item=Number(whole=True), wish="a list like [41, 42]")
_seconds = Number(above=0, most=86_400)
_path = Text(least=1, wish="where the value stands in the line, like item.text")
RULE = Shape(
    fields={
        "when": Field(Free(), "values by their place in the line, all of which must be there", required=True),
        "unless": Field(Free(), "values by their place, none of which may be there; missing is null"),
        "is": Field(OneOf(MEANINGS), "what such a line means", required=True),
        "input_has_cached": Field(Flag(), "input_tokens counts cached ones as well", default=False),
        **{name: Field(_path, "where that stands in the line") for name in PATHS},
    }
)
FAILURES = ("final", "lost", "limit", "wait")
FAILURE = Shape(
    fields={
        "is": Field(OneOf(FAILURES), "what to do about it", required=True),
        "exit_code": Field(_numbers, "one of these"),
        "status": Field(_numbers, "one of these, of the provider"),
        "text": Field(Text(least=1), "a pattern of Python's `re` that is found in its error or last words"),
    }
)
PLACES = ("home", "folder", "tree")
SETTINGS = Shape(
    fields={
        "profile": Field(OneOf(PROFILES), "a command line that is known already"),
        "start_argv": Field(
            _argv, "the program and its arguments; {session}, {prompt}, {model} stand for these"
        ),
        "resume_argv": Field(
            _argv, "the same, to go on with {session}; without it every attempt starts anew"
        ),
        "model_argv": Field(_argv, "put after the program's first words where a model is named"),
        "model": Field(Text(least=1), "the model, as the command line calls it"),
        "args": Field(_argv, "more arguments", default=[]),
        "prompt": Field(OneOf(("stdin", "arg", "file")), "how it is told what to do", default="stdin"),
        "parser": Field(ListOf(item=RULE), "which lines of its output mean what; each is a JSON object"),
        "session_files": Field(Text(least=1), "a pattern of the files of its sessions, in its own folder"),
        "session_parser": Field(ListOf(item=RULE), "which lines of these are answers", default=[]),
        "back_files": Field(
            Text(least=1), "a pattern of the files of its sessions, which it only appends to: it can go back"
        ),
        "back_parser": Field(
            ListOf(item=RULE), "which lines of these are answers and results of calls", default=[]
        ),
        "export_argv": Field(
            _argv, "arguments that print {session} as one document of messages: it can go back"
        ),
        "import_argv": Field(_argv, "arguments that make a session of such a document, {file}"),
        "usage": Field(
            OneOf(("delta", "cumulative")), "whether it tells what it used since, or in all", default="delta"
        ),
        "usage_at": Field(
            OneOf(("answer", "end")), "when it tells that: after each answer, or once", default="answer"
        ),
        "success": Field(
            OneOf(("exit", "result", "both")),
            "exit code 0, a line that means result, or both",
            default="exit",
        ),
        "home_env": Field(
            Text(), "a variable that names its own folder, which is put into session/; empty: its usual one"
        ),
        "home_off_tmp": Field(
            Flag(), "its own folder may not lie below TMPDIR: it is given another one there", default=False
        ),
        "bound_to": Field(
            ListOf(item=OneOf(PLACES), wish='a list like ["folder"]'),
            "what may not move, or a session cannot be resumed",
            default=[],
        ),
        "moved_drop": Field(
            _argv, "files of its own folder that are removed before it runs where that has moved", default=[]
        ),
        "failures": Field(ListOf(item=FAILURE), "what failures mean; each is a JSON object", default=[]),
        "warnings": Field(
            _argv, "patterns: lines of stderr that begin so are warnings to people", default=[]
        ),
        "provider": Field(Text(least=1), "the host whose limits it shares with others"),
        "provider_env": Field(_argv, "variables that may name another one by its URL", default=[]),
        "team": Field(Flag(), "with the team's tools, where it can have them", default=True),
        "team_argv": Field(
            _argv,
            "arguments that give it these: {command}, {args}, {command_line}, {variables}, {environment}",
        ),
        "team_env": Field(Text(), "a variable that names a file of settings with these"),
        "team_file": Field(
            Text(), "a file of settings in its own folder that gets these beside what is in it"
        ),
        "settings_by_env": Field(
            Free(), "settings by a variable: where it is set, they are put under those of `team_file`"
        ),
        "team_settings": Field(Free(), "what is in that file, the same in it"),
        "linger_s": Field(_seconds, "longest silence after its result, before it is ended", default=5),
        "max_turns": Field(Number(least=1, whole=True), "most answers for one task", default=200),
        "budget": Field(BUDGET, "of this agent alone", effect=Effect.AT_ONCE),
        "price": Field(
            MapOf(value=Number(least=0), key="|".join(PRICES), key_wish=f"one of {', '.join(PRICES)}"),
            "USD a million tokens, in place of tables",
        ),
        "sandbox": Field(OneOf(("landlock", "bubblewrap", "none")), "what confines it", default="none"),
        "sandbox_read": Field(_argv, "absolute paths it may also read", default=[]),
        "sandbox_write": Field(_argv, "absolute paths it may also write", default=[]),
        "stall_s": Field(_seconds, "longest silence", default=1800),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile has what the agent's spec says laid over it."""

    start_argv: tuple[str, ...]
    resume_argv: tuple[str, ...] | None = None
    model_argv: tuple[str, ...] = ()
    model: str | None = None
    args: tuple[str, ...] = ()
    prompt: str = "stdin"
    parser: tuple[Mapping[str, Any], ...] = ()
    session_files: str = ""
    session_parser: tuple[Mapping[str, Any], ...] = ()
    back_files: str = ""
    back_parser: tuple[Mapping[str, Any], ...] = ()
    export_argv: tuple[str, ...] = ()
    import_argv: tuple[str, ...] = ()
    usage: str = "delta"
    usage_at: str = "answer"
    success: str = "exit"
    bound_to: tuple[str, ...] = ()
    moved_drop: tuple[str, ...] = ()
    failures: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()
    provider: str | None = None
    provider_env: tuple[str, ...] = ()
    team: bool = True
    team_argv: tuple[str, ...] = ()
    team_env: str = ""
    team_file: str = ""
    settings_by_env: Mapping[str, Any] | None = None
    team_settings: Mapping[str, Any] | None = None
    linger_s: float = 5.0
    home_env: str = ""
    home_off_tmp: bool = False
    max_turns: int = 200
    price: Mapping[str, float] | None = None
    sandbox: str = "none"
    sandbox_read: tuple[str, ...] = ()
    sandbox_write: tuple[str, ...] = ()
    stall_s: float = 1800.0

    @classmethod
    def of(cls, settings: Mapping[str, Any], *, agent: str) -> Profile:
        """Make the profile of an agent. Raises BadInput without a command line."""
        name = settings.get("profile")
        base = read_profile(name) if name is not None else {}
        known: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in {**base, **settings}.items()
            if key in cls.__dataclass_fields__
        }
        if not known.get("start_argv"):
            wish = f"give 'profile' (one of {', '.join(PROFILES)}) or 'start_argv'"
            raise BadInput(f"agent {agent}: kind 'cli' has no command line; {wish}")
        if known.get("success", "exit") != "exit" and not any(
            rule.get("is") == "result" for rule in known.get("parser", ())
        ):
            raise BadInput(
                f"agent {agent}: 'success' is {known['success']!r}, but no rule of 'parser' is a result"
            )
        _check_patterns(known, agent=agent)
        return cls(**known)

    def argv(
        self, *, session: str | None, prompt: str, is_resumed: bool, team: Sequence[str] = ()
    ) -> list[str]:
        """Make the arguments of one process; `prompt` is the text or, for prompt = file, its path.

        `team` are arguments that give it the team's tools.
        """
        template = self.resume_argv if is_resumed and self.resume_argv is not None else self.start_argv
        names = {"session": session or "", "prompt": prompt, "model": self.model or ""}
        has_prompt = any("{prompt}" in part for part in template)
        given = [_filled(part, names) for part in template]
        if self.model is not None:
            more = [_filled(part, names) for part in self.model_argv]
            given[_words(given) : _words(given)] = more
        given[_words(given) : _words(given)] = [*team, *self.args]
        if self.prompt != "stdin" and not has_prompt:
            given.append(f"\n{prompt}" if prompt.startswith("-") else prompt)  # or it is taken for an option
        return given

    @property
    def tells_usage(self) -> bool:
        """The program says at some time what it used."""
        return any(rule["is"] == "usage" for rule in self.parser)

    @property
    def tells_calls(self) -> bool:
        """The program says that a call begins, not only how it ended."""
        return any(rule["is"] == "tool_call" for rule in self.parser)

    @property
    def names_session(self) -> bool:
        """We choose the name of a session."""
        return any("{session}" in part for part in self.start_argv)

    @property
    def tells_cost(self) -> bool:
        """The program says what its answers cost."""
        return any("cost_usd" in rule for rule in self.parser)


def read_profile(name: str) -> Mapping[str, Any]:
    """Read a ready-made profile."""
    return codec.decode_object((_FOLDER / f"{name}.json").read_bytes())


def _check_patterns(known: Mapping[str, Any], *, agent: str) -> None:
    """Raise BadInput for a pattern that is none."""
    told = [("failures", rule["text"]) for rule in known.get("failures", ()) if "text" in rule]
    for key, pattern in [*told, *(("warnings", text) for text in known.get("warnings", ()))]:
        try:
            re.compile(pattern)
        except re.error as cause:
            text = f"agent {agent}: '{key}' has the pattern {pattern!r}, which Python's `re` refuses: {cause}"
            raise BadInput(text) from cause


def _filled(part: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        part = part.replace(f"{{{name}}}", value)
    return part


def _words(argv: list[str]) -> int:
    """Count the words before the first option: options may stand there whatever follows."""
    for index, part in enumerate(argv):
        if part.startswith("-"):
            return index
    return len(argv)
