#!/usr/bin/env bash
# codex exec 0.171.0 succeeds while a command still runs: it is killed, no event tells its end, the exit code is 0, and in
# the project lie empty folders .git, .codex, .agents, .aws of its sandbox. Guess: exec waits for it, or fails.
set -euo pipefail
version=${CODEX_VERSION:-0.171.0}
command -v bwrap >/dev/null || { echo "needs bubblewrap"; exit 2; }
work=$(mktemp -d -p /tmp)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
npm install --prefix "$work/npm" --no-fund --no-audit --loglevel=error "@openai/codex@$version" >/dev/null
mkdir -p "$work/project" "$work/tmp"

cat > "$work/model.py" <<'PY'
import http.server, json, sys
COMMAND = json.dumps({"cmd": "touch begun; sleep 15; touch ended", "yield_time_ms": 1000})  # as models ask it to
class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_GET(self):  # no WebSockets here
        self.send_response(426); self.send_header("Content-Length", "0"); self.end_headers()
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        item = {"type": "function_call", "id": "f", "call_id": "c", "name": "exec_command", "arguments": COMMAND}
        if b'"function_call_output"' in body:
            item = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "Done."}]}
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        self.send_response(200); self.send_header("Content-Type", "text/event-stream"); self.end_headers()
        for event in ({"type": "response.created", "response": {"id": "r"}},
                      {"type": "response.output_item.done", "output_index": 0, "item": item},
                      {"type": "response.completed", "response": {"id": "r", "output": [item], "usage": usage}}):
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
open(sys.argv[1] + "/port", "w").write(str(server.server_address[1]))
server.serve_forever()
PY
python3 "$work/model.py" "$work" &
server=$!
until [ -s "$work/port" ]; do sleep 0.1; done

"$work/npm/node_modules/.bin/codex" --version
code=0
mkdir "$work/home"
echo "Say hello." | (cd "$work/project" && env TMPDIR="$work/tmp" HOME="$work/home" CODEX_HOME="$work/home" \
    CODEX_API_KEY=none "$work/npm/node_modules/.bin/codex" exec --json --skip-git-repo-check --model gpt-5 \
    -c 'sandbox_mode="workspace-write"' -c "openai_base_url=\"http://127.0.0.1:$(cat "$work/port")/v1\"" - \
    >"$work/events" 2>/dev/null) || code=$?
begun=$(grep -c '"item.started".*"command_execution"' "$work/events" || true)
ended=$(grep -c '"item.completed".*"command_execution"' "$work/events" || true)
well=$(grep -c '"turn.completed"' "$work/events" || true)
sleep 20
left=$(cd "$work/project" && find . -mindepth 1 | sort | tr '\n' ' ')
echo "exit code $code, turns completed: $well; commands begun: $begun, ended: $ended; in the project 20 s later: $left"
[ "$code $well $begun $ended" = "0 1 1 0" ] && [ "$left" = "./.agents ./.aws ./.codex ./.git ./begun " ] || { echo "changed"; exit 1; }
