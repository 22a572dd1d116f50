#!/usr/bin/env bash
# google-adk 2.13.0 with its SqliteSessionService: the process is killed while a tool runs; the session keeps the call.
# With the next message in that session the model is told neither of the call nor that it may have had an effect: calls
# without a result are left out of what it is asked, now and ever after, and only a line of the log says so. A model that
# still wants to do it does it again. Guess: the call is told as interrupted, run again, or refused as unanswered.
set -euo pipefail
version=${ADK_VERSION:-2.13.0}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check uv 2>/dev/null
"$work/venv/bin/uv" pip install --quiet --python "$work/venv/bin/python" "google-adk==$version" 2>/dev/null

cat > "$work/turn.py" <<'PY'
import asyncio, os, sys
from google.adk.agents import LlmAgent
from google.adk.models.base_llm import BaseLlm
from google.adk.models.llm_response import LlmResponse
from google.adk.runners import Runner
from google.adk.sessions.sqlite_session_service import SqliteSessionService
from google.genai.types import Content, FunctionCall, Part
file, said = sys.argv[1:]

def kinds(contents):
    return [f"{each.role}:{part.text or ('call' if part.function_call else 'result')}" for each in contents for part in each.parts]

class Loop(BaseLlm):
    async def generate_content_async(self, llm_request, stream=False):
        print("asked", kinds(llm_request.contents), flush=True)
        call = Part(function_call=FunctionCall(id="c1", name="charge", args={}))
        part = call if len(llm_request.contents) == 1 else Part(text="Done.")
        yield LlmResponse(content=Content(role="model", parts=[part]))

def charge() -> str:
    """Charge the card."""
    print("charged", flush=True)
    os._exit(9)

async def turn():
    sessions, names = SqliteSessionService(file), {"app_name": "app", "user_id": "u", "session_id": "s"}
    session = await sessions.get_session(**names) or await sessions.create_session(**names)
    if session.events:
        print("kept", kinds(event.content for event in session.events if event.content))
    runner = Runner(agent=LlmAgent(name="a", model=Loop(model="loop"), tools=[charge]), app_name="app", session_service=sessions)
    async for _ in runner.run_async(user_id="u", session_id="s", new_message=Content(role="user", parts=[Part(text=said)])):
        pass
asyncio.run(turn())
PY
turn() { "$work/venv/bin/python" "$work/turn.py" "$work/sessions" "$1" 2>>"$work/err" || true; }
first=$(turn "Charge.")
second=$(turn "Done?")
printf 'google-adk %s\n%s\nkilled; the next message:\n%s\n' "$version" "$first" "$second"
[ "$second" = "kept ['user:Charge.', 'model:call']
asked ['user:Charge.', 'user:Done?']" ] || { cat "$work/err"; echo "changed"; exit 1; }
