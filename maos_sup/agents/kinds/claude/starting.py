"""Starts Claude Code: finds its executable, makes its arguments, environment and confinement."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from maos_sup.agents.endings import Missing
from maos_sup.agents.kinds.claude import gates, prompts
from maos_sup.agents.kinds.claude.rules import ProjectRules
from maos_sup.agents.kinds.claude.servers import SERVER, write_mcp_config
from maos_sup.agents.kinds.claude.settings import ClaudeSettings
from maos_sup.agents.sandbox.confine import Sandbox, make_sandbox
from maos_sup.agents.secrets.redaction import is_secret_name
from maos_sup.agents.work import Work
from maos_sup.agents.workplace.confinement import bounds_for, tell_bounds
from state_layout.files import atomic, codec

VARIABLE = "MAOS_SUP_CLAUDE"
_OF_PROVIDERS = re.compile(r"ANTHROPIC_|AWS_|GOOGLE_|GCLOUD_|CLOUD_ML_|VERTEX_|AZURE_")
_OF_OURS = re.compile(r"CLAUDE_CODE_(OAUTH_TOKEN|USE_\w+|SKIP_\w+|MAX_OUTPUT_TOKENS)$")
_FIXED = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "CLAUDE_CODE_MAX_RETRIES": "1",  # long waits are ours, and shared
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",  # or a broken stream is bought a second time
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",  # nothing outlives a turn
    "CLAUDE_CODE_EAGER_FLUSH": "1",
    "MCP_CONNECTION_NONBLOCKING": "0",
    "MCP_CONNECT_TIMEOUT_MS": "30000",
    "MCP_TIMEOUT": "30000",
    "ENABLE_TOOL_SEARCH": "false",  # or tools of MCP servers are not among those of the first question
}
_OWN_SETTINGS = {"enabledPlugins": {"cc-plugin-agents-md@builtin": False}}  # AGENTS.md is told by us
_KEY, _KEY_DESCRIPTOR = "ANTHROPIC_API_KEY", "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR"
_TOKEN, _TOKEN_DESCRIPTOR = "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR"
_HOW_TO_GET = "npm install -g @anthropic-ai/claude-code"


def executable(settings: ClaudeSettings, environment: Mapping[str, str]) -> str:
    """Find the program of Claude Code. Raises kind.Missing."""
    return find_claude(settings.program, environment)


def find_claude(program: str | None, environment: Mapping[str, str]) -> str:
    """Find Claude Code: by `program`, MAOS_SUP_CLAUDE, PATH, the Claude Agent SDK. Raises kind.Missing."""
    named = program or environment.get(VARIABLE)
    found = shutil.which(named or "claude", path=environment.get("PATH", os.defpath))
    if found is None and not named:
        found = _of_sdk()
    if found is not None:
        return str(Path(found).resolve())  # where a sandbox has it
    where = f"{named!r} is no program" if named else "claude is not in PATH"
    raise Missing(f"kind 'claude' needs Claude Code: {where}; {_HOW_TO_GET}, or point {VARIABLE} to it")


def _of_sdk() -> str | None:
    """Find the one that the Python package `claude-agent-sdk` brings along, if that is installed."""
    package = importlib.util.find_spec("claude_agent_sdk")
    for folder in (package.submodule_search_locations or ()) if package is not None else ():
        found = shutil.which(str(Path(folder) / "_bundled" / "claude"))
        if found is not None:
            return found
    return None


def provider_of(settings: ClaudeSettings, environment: Mapping[str, str]) -> str:
    """Name the provider, alike for agents that share its limits: the host that Claude Code asks."""
    url = settings.base_url or environment.get("ANTHROPIC_BASE_URL")
    return urlsplit(url).netloc if url else "api.anthropic.com"


def environment_of(work: Work, settings: ClaudeSettings) -> dict[str, str]:
    """Make the environment of Claude Code: its provider's credentials, no other secrets."""
    paths, passed = work.life.paths, frozenset([*settings.pass_env, *work.spec.env_from])
    temporary = temporary_folder(work)
    kept = {name: value for name, value in work.environment().items() if _is_kept(name, passed)}
    own = {
        **_FIXED,
        "CLAUDE_CONFIG_DIR": str(paths.session),
        "TMPDIR": str(temporary),
        "CLAUDE_CODE_TMPDIR": str(temporary),
        "XDG_CACHE_HOME": str(temporary / "cache"),
        "GIT_TERMINAL_PROMPT": "0",
    }
    if settings.base_url is not None:
        own["ANTHROPIC_BASE_URL"] = settings.base_url
    return kept | own | work.spec.env


def without_secret(environment: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, str] | None]:
    """Take the provider's key out of `environment`, and give it as something that is read from a
    descriptor."""
    for name, descriptor in ((_KEY, _KEY_DESCRIPTOR), (_TOKEN, _TOKEN_DESCRIPTOR)):
        if environment.get(name):
            rest = {key: value for key, value in environment.items() if key != name}
            return rest, (descriptor, environment[name])
    return dict(environment), None


def _is_kept(name: str, passed: frozenset[str]) -> bool:
    if name in passed or _OF_PROVIDERS.match(name) or _OF_OURS.match(name):
        return True
    return not is_secret_name(name) and not name.startswith("CLAUDE")


def temporary_folder(work: Work) -> Path:
    """Make a folder for temporary files that is the agent's own."""
    folder = work.life.paths.workspace / ".tmp"
    atomic.make_folder(folder)
    return folder


def arguments(
    work: Work, settings: ClaudeSettings, *, session: str, transcript: Path | None, fence_usd: float | None
) -> list[str]:
    """Make the arguments of Claude Code: a session that begins, or the transcript to go on with. Raises
    StorageError.

    Long texts are none of them, for the kernel takes 128 KiB: they are told by `initialize` or lie in a file.
    """
    given = [
        *("-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"),
        *("--include-partial-messages", "--replay-user-messages", "--permission-mode", "dontAsk"),
        *(("--session-id", session) if transcript is None else ("--resume", str(transcript))),
        *("--strict-mcp-config", "--mcp-config", str(write_mcp_config(work, settings))),
    ]
    if not any(argument.partition("=")[0] == "--settings" for argument in settings.args):
        given += ["--settings", codec.encode(_OWN_SETTINGS).decode()]
    if settings.model is not None:
        given += ["--model", settings.model]
    if settings.agent is not None:
        given += ["--agent", settings.agent]
    if settings.tools is not None:
        given += ["--tools", ",".join(settings.tools)]
    if settings.allowed_tools is not None:
        given += ["--allowedTools", *settings.allowed_tools, f"mcp__{SERVER}"]
    if fence_usd is not None:
        given += ["--max-budget-usd", f"{max(fence_usd, 0.000001):.6f}"]
    return [*given, *settings.args]


def initialize(work: Work, settings: ClaudeSettings, rules: ProjectRules) -> dict[str, object]:
    """Make the first request to Claude Code: whom it is to ask, and its long texts.

    Without `systemPromptSnapshot` it keeps to the system prompt with which the session began, whatever the
    role is now; versions that know no such thing do without.
    """
    server = SERVER if settings.team else None
    request = {
        "subtype": "initialize",
        "hooks": gates.hooks(),
        "appendSystemPrompt": prompts.system_prompt(work.spec, project_rules=rules.text, server=server),
        "systemPromptSnapshot": False,
    }
    return request | ({} if settings.result_schema is None else {"jsonSchema": settings.result_schema})


def sandbox_of(
    work: Work, settings: ClaudeSettings, environment: Mapping[str, str], program: str, *, is_first: bool
) -> Sandbox:
    """Make what confines Claude Code and all that it starts. Raises BadInput for one that is asked for and
    not there."""
    paths, tree = work.life.paths, work.life.tree
    own = [paths.workspace, paths.artifacts, paths.session, work.life.files.control]
    bounds = bounds_for(work, kind=settings.sandbox, own=own, asked=settings.sandbox_write)
    others = [tree.agent(name).artifacts for name in work.life.specs.now.agents]
    beside = Path(program).parent.parent
    read = [tree.root, *others, beside, Path(__file__).parents[4], *map(Path, settings.sandbox_read)]
    home = environment.get("HOME")
    git = [Path(home) / ".gitconfig"] if home else []
    sandbox = make_sandbox(
        settings.sandbox, read=[*read, *git], write=(), environment=environment, bounds=bounds
    )
    if is_first:
        tell_bounds(work, bounds, confined=sandbox.kind)
    return sandbox
