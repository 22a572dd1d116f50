"""Asks through the Claude Code CLI, with the login that it has: one headless run without any tools.

The form of the answer is its `--json-schema`. Retries and their waits are the CLI's own here. It reads the
user's settings (who logs in through them), and of the project neither settings nor memory files nor servers.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from typing import Any

from maos_sup.agents.once.answers import NoAnswer, object_in
from maos_sup.agents.secrets.redaction import Redactor
from maos_sup.core.questions import ModelAnswer, ModelQuestion
from state_layout.files import codec

PATIENCE_S = 600.0
_QUIET = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}
_PATIENT = {"CLAUDE_CODE_MAX_RETRIES": "4"}  # half a minute: somebody waits
_USAGE = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


class ClaudeCodeAsker:
    """Asks the program `claude`. `environment` is what it gets and says what is secret."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        model: str | None,
        program: str = "claude",
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._environment, self._model = environment, model
        self._program, self._patience_s = program, patience_s
        self._redactor = Redactor(environment)

    def __call__(self, question: ModelQuestion) -> ModelAnswer:
        """Ask, and give the answer. Raises NoAnswer."""
        return self._answer(self._said(question))

    def _said(self, question: ModelQuestion) -> dict[str, object]:
        """Run the CLI, and give its result event. Raises NoAnswer."""
        prompt = self._redactor.text(question.prompt).encode()
        with tempfile.TemporaryDirectory(prefix="maos-sup-") as folder:
            try:
                done = subprocess.run(
                    self._arguments(question),
                    input=prompt,
                    capture_output=True,
                    env={**_PATIENT, **self._environment, **_QUIET},
                    cwd=folder,
                    timeout=self._patience_s,
                    check=False,
                )
            except OSError as cause:
                raise NoAnswer(f"{self._program}: cannot be started: {cause.strerror}; install it") from cause
            except subprocess.TimeoutExpired as cause:
                raise NoAnswer(
                    f"{self._program}: no answer after {self._patience_s:.0f} s; try again later"
                ) from cause
        try:
            said = codec.decode_object(done.stdout)
        except codec.NotJson as cause:
            raise self._failed(done.stderr.decode("utf-8", "replace"), done.returncode) from cause
        if said.get("is_error") or done.returncode:
            errors = said.get("errors")
            if said.get("subtype") == "error_max_structured_output_retries" and isinstance(errors, list):
                raise NoAnswer(f"no plan from {self._program}: {self._short(' '.join(map(str, errors)))}")
            raise self._failed(str(said.get("result") or said.get("subtype")), done.returncode)
        return said

    def _arguments(self, question: ModelQuestion) -> list[str]:
        return [
            *(self._program, "-p", "--output-format", "json", "--no-session-persistence"),
            *("--tools", "", "--strict-mcp-config", "--setting-sources", "user"),
            *("--system-prompt", self._redactor.text(question.system)),
            *("--json-schema", codec.encode(dict(question.schema)).decode()),
            *(("--model", self._model) if self._model else ()),
        ]

    def _answer(self, said: Mapping[str, Any]) -> ModelAnswer:
        text, value = str(said.get("result") or ""), said.get("structured_output")
        usage = said.get("usage")
        counted = usage if isinstance(usage, dict) else {}
        cost = said.get("total_cost_usd")
        return ModelAnswer(
            value=value if isinstance(value, dict) else object_in(text),
            text=text,
            model=self._model or "Claude Code",
            tokens=sum(int(counted.get(key) or 0) for key in _USAGE),
            cost_usd=float(cost) if isinstance(cost, int | float) else None,
        )

    def _failed(self, words: str, code: int) -> NoAnswer:
        last = self._short(words) or f"exit code {code}"
        return NoAnswer(f"no plan from {self._program}: {last}; see that 'claude -p hello' works")

    def _short(self, words: str) -> str:
        return self._redactor.text(" ".join(words.split()))[:300]
