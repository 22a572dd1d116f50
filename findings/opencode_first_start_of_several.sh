#!/usr/bin/env bash
# opencode run 1.18.33, several processes at once in a home that none has used yet: each makes the tables of one SQLite
# database, and some fail with "database is locked" or a CREATE TABLE that is there already, exit code 1, before
# the model is asked. Later any number works at once. Guess: they wait for one another, or the second finds the tables.
set -euo pipefail
version=${OPENCODE_VERSION:-1.18.33}
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
npm install --prefix "$work/npm" --no-fund --no-audit --loglevel=error "opencode-ai@$version" >/dev/null
mkdir -p "$work/home" "$work/project"

cat > "$work/model.py" <<'PY'
import http.server, json, sys
class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200); self.send_header("Content-Type", "text/event-stream"); self.end_headers()
        head = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
        for delta, reason in (({"role": "assistant", "content": "Hello."}, None), ({}, "stop")):
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

together() {  # together NAME: six at once; how many of them failed
    local pids=() failed=0
    for number in 1 2 3 4 5 6; do
        echo "Hello." | "$work/npm/node_modules/.bin/opencode" run --format json -m loop/m >"$work/$1.$number" 2>&1 &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || failed=$((failed + 1)); done
    echo "$failed"
}
"$work/npm/node_modules/.bin/opencode" --version
first=$(together first)
echo "in a new home $first of 6 failed; they said:"
grep -hEo 'database is locked|Failed query|already exists' "$work"/first.* | sort | uniq -c
second=$(together second)
echo "in the same home later $second of 6 failed"
[ "$first" -ge 1 ] && [ "$second" = 0 ] || { echo "changed"; exit 1; }
