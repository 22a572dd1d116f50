#!/usr/bin/env bash
# gemini-cli 0.61.0, SIGTERM in the middle of a command: the exit code is 0, the JSON lines have no result, the command
# runs on to its end without it, and in the session that goes on (--resume latest) the model is never told of that call.
# Guess: 143 or another failure, the command ends too, and the call is told as interrupted.
set -euo pipefail
version=${GEMINI_VERSION:-0.61.0}
work=$(mktemp -d)
trap 'kill "${server:-}" "${gemini:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
npm install --prefix "$work/npm" --no-fund --no-audit --loglevel=error "@google/gemini-cli@$version" >/dev/null
mkdir -p "$work/home/.gemini" "$work/project"
echo '{"security": {"auth": {"selectedType": "gemini-api-key"}}}' > "$work/home/.gemini/settings.json"

cat > "$work/model.py" <<'PY'
import http.server, json, sys
class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        parts = [part for content in asked["contents"] for part in content["parts"]]
        part = {"functionCall": {"name": "run_shell_command", "args": {"command": "touch begun; sleep 5; touch ended"}}}
        if any("Go on." in part.get("text", "") for part in parts):
            calls = sum("functionCall" in part or "functionResponse" in part for part in parts)
            open(sys.argv[1] + "/told", "w").write(f"{calls} {any('Go first.' in part.get('text', '') for part in parts)}\n")
            part = {"text": "Done."}
        chunk = {"candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}],
                 "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}}
        self.send_response(200); self.send_header("Content-Type", "text/event-stream"); self.end_headers()
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
open(sys.argv[1] + "/port", "w").write(str(server.server_address[1]))
server.serve_forever()
PY
python3 "$work/model.py" "$work" &
server=$!
until [ -s "$work/port" ]; do sleep 0.1; done

"$work/npm/node_modules/.bin/gemini" --version
export HOME="$work/home" GEMINI_CLI_HOME="$work/home" GEMINI_API_KEY=none GEMINI_CLI_NO_RELAUNCH=true
GOOGLE_GEMINI_BASE_URL="http://127.0.0.1:$(cat "$work/port")"
export GOOGLE_GEMINI_BASE_URL
cd "$work/project"
options=(-o stream-json --skip-trust --yolo --model gemini-2.5-pro)
"$work/npm/node_modules/.bin/gemini" "${options[@]}" -p "Go first." </dev/null >"$work/out" 2>"$work/err" &
gemini=$!
until [ -e begun ]; do kill -0 "$gemini"; sleep 0.1; done
kill "$gemini"
code=0
wait "$gemini" || code=$?
at_end=$([ -e ended ] && echo ended || echo running)
results=$(grep -c '"type":"result"' "$work/out" || true)
calls=$(grep -c '"type":"tool_use"' "$work/out" || true)
sleep 6
later=$([ -e ended ] && echo ended || echo gone)
"$work/npm/node_modules/.bin/gemini" "${options[@]}" --resume latest -p "Go on." </dev/null >>"$work/out" 2>>"$work/err"
read -r told same <"$work/told"
echo "SIGTERM: exit code $code, $calls call and $results results in its lines; its command then: $at_end, 6 s later: $later"
echo "the session goes on with the first prompt: $same; calls and results that the model is told of: $told"
[ "$code $calls $results $at_end $later $same $told" = "0 1 0 running ended True 0" ] || { cat "$work/err"; echo "changed"; exit 1; }
