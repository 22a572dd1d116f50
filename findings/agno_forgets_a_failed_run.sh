#!/usr/bin/env bash
# agno 3.1.10 (PyPI): the model refuses a question after a tool was run. `run` raises nothing: it returns a result whose
# content is the error's words. The next run in the session, with its history, tells the model nothing of the failed one,
# neither the prompt nor the call nor its result, though the database keeps and counts them: the tool is run again. With
# `retries=2` it is run again at once, also where the error is one that the log calls "Non-retryable".
# Guess: an exception; the history has all that was done; a retry repeats the question that failed.
set -euo pipefail
version=${AGNO_VERSION:-3.1.10}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check uv 2>/dev/null
"$work/venv/bin/uv" pip install --quiet --python "$work/venv/bin/python" "agno==$version" "openai==3.57.0" "sqlalchemy[asyncio]==2.1.9"

cat > "$work/runs.py" <<'PY'
import http.server, importlib.metadata, json, os, sys, threading
from agno.agent import Agent
from agno.db.sqlite import SqliteDb
from agno.models.openai import OpenAIChat

asked, paid = [], []

class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):
        messages = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"]
        asked.append([message["role"] for message in messages])
        status, message = 200, {"role": "assistant", "content": "Done."}
        if len(asked) == 2:
            status = 400
        elif "tool" not in asked[-1]:
            call = {"name": "pay", "arguments": '{"amount": 5}'}
            message = {"role": "assistant", "content": None, "tool_calls": [{"id": f"c{len(asked)}", "type": "function", "function": call}]}
        reply = {"id": "r", "object": "chat.completion", "created": 0, "model": "m",
                 "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if "tool_calls" in message else "stop"}],
                 "usage": {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}}
        self.send_response(status); self.send_header("Content-Type", "application/json"); self.end_headers()
        self.wfile.write(json.dumps(reply if status == 200 else {"error": {"message": "overloaded", "type": "error"}}).encode())

def pay(amount: int) -> str:
    """Pays an amount."""
    paid.append(amount)
    return "paid"

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
def agent(name, **options):
    asked.clear(), paid.clear()
    model = OpenAIChat(id="m", base_url=f"http://127.0.0.1:{server.server_address[1]}/v1", api_key="none", max_retries=0)
    database = SqliteDb(db_file=f"{sys.argv[1]}/{name}.db")
    return Agent(model=model, tools=[pay], db=database, session_id="s", add_history_to_context=True, **options)

one = agent("one")
failed = one.run("Pay 5 once.")
done = one.run("Is it paid?")
plain = (failed.status.name, failed.content, list(paid), asked[2], one.get_session_metrics(session_id="s").input_tokens)
done = agent("two", retries=2, delay_between_retries=0).run("Pay 5 once.")
again = (done.status.name, list(paid))
print(f"agno {importlib.metadata.version('agno')}: run() returned {plain[0]} with the content {plain[1]!r}; the next run is told {plain[3]},")
print(f"paid {plain[2]}; the session counts {plain[4]} tokens; with retries=2: {again[0]}, paid {again[1]}")
sys.exit(0 if plain == ("error", "overloaded", [5, 5], ["user"], 3000) and again == ("completed", [5, 5]) else "changed")
PY
cd "$work"
AGNO_TELEMETRY=false HOME="$work" "$work/venv/bin/python" "$work/runs.py" "$work" 2>"$work/err" || { cat "$work/err"; exit 1; }
