#!/usr/bin/env bash
# opencode run 1.18.33 works in the folder that PWD names, not in its working folder: started by cwd= or chdir, which
# leave PWD as it was, its commands run in the folder of the parent. Guess: where the kernel says that it is.
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
cd "$work/project"

mkdir -p "$work/elsewhere"
"$work/npm/node_modules/.bin/opencode" --version
env PWD="$work/elsewhere" "$work/npm/node_modules/.bin/opencode" run --format json -m loop/m >/dev/null 2>&1 <<<'Say hello.'
found() { [ -e "$1/ran" ] && echo yes || echo no; }
echo "working folder: $work/project, PWD: $work/elsewhere"
echo "the command ran in the working folder: $(found "$work/project"), in PWD: $(found "$work/elsewhere")"
[ "$(found "$work/project") $(found "$work/elsewhere")" = "no yes" ] || { echo "changed"; exit 1; }
