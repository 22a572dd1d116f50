#!/usr/bin/env bash
# Claude Code 2.1.332, -p, ended in the middle of a command: after SIGTERM (exit code 143) the transcript has a result of
# the call, "Exit code 137", which a model reads as a command that was killed for want of memory, and nothing says that
# the session was ended; after SIGKILL the one who resumes tells the model that the call was interrupted and its outcome
# is unknown. So the hard end leaves the better record. Guess: the polite end is told at least as well as the hard one.
set -euo pipefail
version=${CLAUDE_VERSION:-2.1.332}
work=$(mktemp -d)
trap 'kill "${server:-}" "${claude:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
npm install --prefix "$work/npm" --no-fund --no-audit --loglevel=error "@anthropic-ai/claude-code@$version" >/dev/null

cat > "$work/model.py" <<'PY'
import http.server, json, sys
class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        told = [block["content"] for message in asked["messages"] if isinstance(message["content"], list)
                for block in message["content"] if block["type"] == "tool_result"]
        start, delta, reason = {"type": "text", "text": ""}, {"type": "text_delta", "text": "Done."}, "end_turn"
        if told:
            open(sys.argv[1] + "/told", "w").write(json.dumps(told))
        else:
            call = {"command": "touch begun; sleep 20", "description": "wait"}
            start, reason = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}, "tool_use"
            delta = {"type": "input_json_delta", "partial_json": json.dumps(call)}
        usage = {"input_tokens": 10, "output_tokens": 10}
        message = {"id": f"msg_{len(told)}", "type": "message", "role": "assistant", "content": [], "model": asked["model"],
                   "stop_reason": None, "stop_sequence": None, "usage": usage}
        self.send_response(200); self.send_header("Content-Type", "text/event-stream"); self.end_headers()
        for event in ({"type": "message_start", "message": message},
                      {"type": "content_block_start", "index": 0, "content_block": start},
                      {"type": "content_block_delta", "index": 0, "delta": delta}, {"type": "content_block_stop", "index": 0},
                      {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage},
                      {"type": "message_stop"}):
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
open(sys.argv[1] + "/port", "w").write(str(server.server_address[1]))
server.serve_forever()
PY
python3 "$work/model.py" "$work" &
server=$!
until [ -s "$work/port" ]; do sleep 0.1; done

"$work/npm/node_modules/.bin/claude" --version
export HOME="$work/home" CLAUDE_CONFIG_DIR="$work/home/.claude" ANTHROPIC_API_KEY=none CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1
ANTHROPIC_BASE_URL="http://127.0.0.1:$(cat "$work/port")"
export ANTHROPIC_BASE_URL
for row in "TERM 143 Exit code 137" "KILL 137 outcome is unknown"; do
    read -r signal wanted words <<<"$row"
    rm -rf "$work/home" "$work/project" "$work/told"
    mkdir -p "$work/home" "$work/project"
    cd "$work/project"
    session=33333333-3333-4333-8333-333333333333
    "$work/npm/node_modules/.bin/claude" -p "Go." --session-id $session --allowedTools Bash --model claude-sonnet-4-5 </dev/null >/dev/null 2>&1 &
    claude=$!
    until [ -e begun ]; do kill -0 "$claude"; sleep 0.1; done
    kill -s "$signal" "$claude"
    code=0
    wait "$claude" 2>/dev/null || code=$?
    "$work/npm/node_modules/.bin/claude" -p "Go on." --resume $session --allowedTools Bash --model claude-sonnet-4-5 </dev/null >/dev/null
    # how much of what a resume tells stands in the results, besides Claude Code's own reminders
    told=$(python3 -c 'import json, sys; print("; ".join(text.split("\n\n<system-reminder>")[0] for text in json.load(open(sys.argv[1]))))' "$work/told")
    echo "SIG$signal: exit code $code; of the call the model is told: $told"
    [ "$code" = "$wanted" ] && grep -q "$words" <<<"$told" || { echo "changed"; exit 1; }
    [ "$signal" = KILL ] || ! grep -qi "interrupt\|unknown\|session" <<<"$told" || { echo "changed"; exit 1; }
done
