#!/usr/bin/env bash
# strands-agents 1.62.0 (PyPI): result.metrics.accumulated_usage of an agent's call counts all calls of that Agent object
# so far, and a result that was kept from an earlier call changes with it: who adds up results bills the first calls
# again and again. An Agent that goes on in the same session (session_manager) has all messages and begins at 0.
# Guess: each result tells what its call used; what a session counts is restored with the session, or never counted.
set -euo pipefail
version=${STRANDS_VERSION:-1.62.0}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check uv 2>/dev/null
"$work/venv/bin/uv" pip install --quiet --python "$work/venv/bin/python" "strands-agents==$version" 2>/dev/null

cat > "$work/calls.py" <<'PY'
import importlib.metadata, sys
from strands import Agent
from strands.models.model import Model
from strands.session.file_session_manager import FileSessionManager

class Loop(Model):  # each answer costs 1000 tokens of input
    def update_config(self, **_): pass
    def get_config(self): return {}
    async def structured_output(self, *_, **__): yield {}
    async def stream(self, *_, **__):
        yield {"messageStart": {"role": "assistant"}}
        yield {"contentBlockStart": {"start": {}}}
        yield {"contentBlockDelta": {"delta": {"text": "Hello."}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn"}}
        yield {"metadata": {"usage": {"inputTokens": 1000, "outputTokens": 1, "totalTokens": 1001}, "metrics": {"latencyMs": 1}}}

def agent():
    return Agent(model=Loop(), callback_handler=None, session_manager=FileSessionManager(session_id="s", storage_dir=sys.argv[1]))
def told(result):
    return result.metrics.accumulated_usage["inputTokens"]

one = agent()
first = one("One.")
at_once = told(first)
second, third = one("Two."), one("Three.")
results = [told(first), told(second), told(third)]
other = agent()
fourth = other("Four.")
print(f"strands-agents {importlib.metadata.version('strands-agents')}, four calls of 1000 tokens each")
print(f"the first result told {at_once}; after two more calls the three results tell {results}")
print(f"a new Agent on the session goes on after {len(other.messages) - 2} messages, and its result tells {told(fourth)}")
sys.exit(0 if (at_once, results, len(other.messages), told(fourth)) == (1000, [3000, 3000, 3000], 8, 1000) else "changed")
PY
"$work/venv/bin/python" "$work/calls.py" "$work/sessions"
