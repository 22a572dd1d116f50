#!/usr/bin/env bash
# opencode run 1.18.33, SIGTERM in the middle of a command: opencode ends at once (143), its command runs on to its end
# without it; the session that goes on (--continue) tells the model that the tool was interrupted, though it did all.
# Guess: the command is ended too, as Claude Code and codex do it, or it is waited for.
set -euo pipefail
version=${OPENCODE_VERSION:-1.18.33}
work=$(mktemp -d)
trap 'kill "${server:-}" "${opencode:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
npm install --prefix "$work/npm" --no-fund --no-audit --loglevel=error "opencode-ai@$version" >/dev/null
mkdir -p "$work/home" "$work/project"

cat > "$work/model.py" <<'PY'
import http.server, json, sys
class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        results = [message["content"] for message in asked["messages"] if message["role"] == "tool"]
        delta, reason = {"role": "assistant", "content": "Hello."}, "stop"
        if results:
            open(sys.argv[1] + "/told", "w").write(json.dumps(results))
        elif asked.get("tools"):  # without tools: it wants a title
            call = {"name": "bash", "arguments": '{"command": "touch begun; sleep 5; touch ended", "description": "wait"}'}
            delta, reason = {"role": "assistant", "tool_calls": [{"index": 0, "id": "c", "type": "function", "function": call}]}, "tool_calls"
        self.send_response(200); self.send_header("Content-Type", "text/event-stream"); self.end_headers()
        head = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
        for delta, reason in ((delta, None), ({}, reason)):
            chunk = {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
open(sys.argv[1] + "/port", "w").write(str(server.server_address[1]))
server.serve_forever()
PY
python3 "$work/model.py" "$work" &
server=$!
until [ -s "$work/port" ]; do sleep 0.1; done

export HOME="$work/home" XDG_DATA_HOME="$work/home" OPENCODE_DISABLE_MODELS_FETCH=1 OPENCODE_DISABLE_AUTOUPDATE=1
OPENCODE_CONFIG_CONTENT=$(printf '{"provider": {"loop": {"npm": "@ai-sdk/openai-compatible", "name": "loop",
  "options": {"baseURL": "http://127.0.0.1:%s/v1", "apiKey": "none"},
  "models": {"m": {"name": "m", "tool_call": true, "limit": {"context": 100000, "output": 8000}}}}}}' "$(cat "$work/port")")
export OPENCODE_CONFIG_CONTENT
cd "$work/project"
"$work/npm/node_modules/.bin/opencode" --version
"$work/npm/node_modules/.bin/opencode" run --format json --model loop/m "Go first." </dev/null >"$work/out" 2>"$work/err" &
opencode=$!
until [ -e begun ]; do kill -0 "$opencode"; sleep 0.1; done
kill "$opencode"
code=0
wait "$opencode" || code=$?
at_end=$([ -e ended ] && echo ended || echo running)
sleep 6
later=$([ -e ended ] && echo ended || echo gone)
"$work/npm/node_modules/.bin/opencode" run --format json --model loop/m --continue "Go on." </dev/null >>"$work/out" 2>>"$work/err"
told=$(cat "$work/told")
echo "SIGTERM: exit code $code; its command then: $at_end, 6 s later: $later; the model is told $told"
[ "$code $at_end $later" = "143 running ended" ] && grep -qi interrupted <<<"$told" || { cat "$work/err"; echo "changed"; exit 1; }
