#!/usr/bin/env bash
# codex exec --json 0.171.0: `usage` of `turn.completed` counts all answers of the session so far, also those of turns that
# other processes took before `codex exec resume`: who adds up the turns of a session counts the first ones again with
# each turn. An answer is counted when its commands have ended: where codex is killed in a command, the answer that asked
# for it, though it came whole and with its usage, is in no later line either, and not in the session's file.
# Guess: the usage of a turn is that of the turn; what came before a kill is counted when the session goes on.
set -euo pipefail
version=${CODEX_VERSION:-0.171.0}
work=$(mktemp -d)
trap 'kill "${server:-}" "${codex:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
npm install --prefix "$work/npm" --no-fund --no-audit --loglevel=error "@openai/codex@$version" >/dev/null
mkdir "$work/project" "$work/home"

cat > "$work/model.py" <<'PY'
import http.server, json, sys
class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):
        last = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"][-1]
        item = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "Done."}]}
        if "Be killed." in json.dumps(last):
            item = {"type": "function_call", "id": "f", "call_id": "c", "name": "exec_command",
                    "arguments": json.dumps({"cmd": "touch begun; sleep 30"})}
        usage = {"input_tokens": 1000, "output_tokens": 10, "total_tokens": 1010}
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
export HOME="$work/home" CODEX_HOME="$work/home"
options=(--json --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox --model gpt-5 -c 'model_provider="loop"'
    -c "model_providers.loop={name=\"loop\", base_url=\"http://127.0.0.1:$(cat "$work/port")/v1\", wire_api=\"responses\"}")
cd "$work/project"
turn() {  # turn PROMPT [resume --last]: the input tokens of its turn.completed lines
    local prompt=$1
    shift
    "$work/npm/node_modules/.bin/codex" exec "$@" "${options[@]}" "$prompt" </dev/null 2>"$work/err" |
        python3 -c 'import json, sys; print(*(line["usage"]["input_tokens"] for line in map(json.loads, sys.stdin) if line["type"] == "turn.completed"))'
}
first=$(turn "Go.")
second=$(turn "Go on." resume --last)
setsid "$work/npm/node_modules/.bin/codex" exec resume --last "${options[@]}" "Be killed." </dev/null >"$work/out" 2>&1 &
codex=$!
until [ -e begun ]; do kill -0 "$codex"; sleep 0.1; done
sleep 3
kill -KILL -- "-$codex"
wait "$codex" 2>/dev/null || true
killed=$(grep -c '"turn.completed"' "$work/out" || true)
counted=$(cat "$work"/home/sessions/*/*/*/rollout-*.jsonl | grep -c '"total_token_usage":{"input_tokens":3000' || true)
last=$(turn "Go on again." resume --last)
echo "answers of 1000 input tokens, one in each turn: turn.completed tells $first, $second,"
echo "of a killed turn $killed lines (and $counted of its session's file tell 3000), then $last"
[ "$first $second $killed $counted $last" = "1000 2000 0 0 3000" ] || { cat "$work/err" "$work/out"; echo "changed"; exit 1; }
