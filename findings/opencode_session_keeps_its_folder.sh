#!/usr/bin/env bash
# opencode serve 1.18.33: a message to a session with ?directory=COPY, a copy of its project, is answered with a 200,
# and its commands run in the folder in which the session was made. Guess: they run in COPY, or the server refuses.
set -euo pipefail
version=${OPENCODE_VERSION:-1.18.33}
work=$(mktemp -d)
trap 'kill "${server:-}" "${opencode:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
npm install --prefix "$work/npm" --no-fund --no-audit --loglevel=error "opencode-ai@$version" >/dev/null
mkdir -p "$work/home" "$work/project" "$work/copy"

cat > "$work/model.py" <<'PY'
import http.server, json, sys
class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        call = {"name": "bash", "arguments": '{"command": "touch ran", "description": "leave a file"}'}
        delta, reason = {"role": "assistant", "content": "Hello."}, "stop"
        if asked.get("tools") and asked["messages"][-1]["role"] != "tool":  # without tools: it wants a title
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
cd "$work/home"
"$work/npm/node_modules/.bin/opencode" --version
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
PWD="$work/home" "$work/npm/node_modules/.bin/opencode" serve --hostname 127.0.0.1 --port "$port" </dev/null >"$work/log" 2>&1 &
opencode=$!
until grep -q listening "$work/log"; do
    kill -0 "$opencode" 2>/dev/null || { cat "$work/log"; exit 2; }
    sleep 0.2
done

post() { curl -sS -X POST -H "content-type: application/json" "http://127.0.0.1:$port/$1" -d "$2" "${@:3}"; }
session=$(post "session?directory=$work/project" "{}" | sed 's/.*"id":"\(ses_[^"]*\)".*/\1/')
status=$(post "session/$session/message?directory=$work/copy" '{"model": {"providerID": "loop", "modelID": "m"},
    "parts": [{"type": "text", "text": "Say hello."}]}' -o "$work/answer" -w '%{http_code}')
found() { [ -e "$1/ran" ] && echo yes || echo no; }
echo "session made with directory=$work/project; a message with directory=$work/copy: HTTP $status"
echo "its command ran in the project: $(found "$work/project"), in the copy: $(found "$work/copy"); $(grep -o '"cwd":"[^"]*"' "$work/answer")"
[ "$status $(found "$work/project") $(found "$work/copy")" = "200 yes no" ] || { cat "$work/answer"; echo "changed"; exit 1; }
