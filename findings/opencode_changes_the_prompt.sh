#!/usr/bin/env bash
# opencode run 1.18.33 puts a prompt that has a space, given as one argument, into double quotes and a backslash before
# each of its own; on standard input it comes word for word. Guess: the model is asked what the argument says.
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
        if asked.get("tools"):  # the other one is for a title
            content = [each["content"] for each in asked["messages"] if each["role"] == "user"][-1]
            text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
            open(sys.argv[1] + "/asked", "w").write(text.strip())
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

prompt='Say "hello" to C:\temp'
"$work/npm/node_modules/.bin/opencode" --version
"$work/npm/node_modules/.bin/opencode" run --format json -m loop/m "$prompt" >/dev/null 2>&1 </dev/null
argument=$(cat "$work/asked")
printf '%s' "$prompt" | "$work/npm/node_modules/.bin/opencode" run --format json -m loop/m >/dev/null 2>&1
input=$(cat "$work/asked")
printf 'the prompt:             %s\nas an argument, asked:  %s\non standard input:      %s\n' "$prompt" "$argument" "$input"
# shellcheck disable=SC1003
[ "$argument" = '"Say \"hello\" to C:\temp"' ] && [ "$input" = "$prompt" ] || { echo "changed"; exit 1; }
