#!/usr/bin/env bash
# gemini-cli 0.61.0 and a stream that ends without finish reason: after a call it takes the half for the answer, once
# and with "status":"success"; before any call it asks three times more, says "status":"error", and its exit code is 0
# all the same. Neither JSON lines nor session hold a finish reason. Guess: asked again in both cases, then an error.
set -euo pipefail
version=${GEMINI_VERSION:-0.61.0}
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
npm install --prefix "$work/npm" --no-fund --no-audit --loglevel=error "@google/gemini-cli@$version" >/dev/null
mkdir -p "$work/home/.gemini" "$work/project"
echo '{"security": {"auth": {"selectedType": "gemini-api-key"}}}' > "$work/home/.gemini/settings.json"

cat > "$work/model.py" <<'PY'
import http.server, json, sys
class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        candidate = {"index": 0, "content": {"role": "model", "parts": [{"text": "The first half of"}]}}
        if self.path.startswith("/call") and b'"functionResponse"' not in body:
            call = {"name": "run_shell_command", "args": {"command": "echo hello"}}
            candidate = {"index": 0, "content": {"role": "model", "parts": [{"functionCall": call}]}, "finishReason": "STOP"}
        else:
            open(sys.argv[1] + "/asked", "a").write("once\n")
        chunk = {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}}
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
for row in "call 1 success" "plain 4 error"; do
    read -r way times status <<<"$row"
    rm -rf "$work/asked" "$work/home/.gemini/tmp"
    code=0
    (cd "$work/project" && env HOME="$work/home" GEMINI_CLI_HOME="$work/home" GEMINI_API_KEY=none GEMINI_CLI_NO_RELAUNCH=true \
        GOOGLE_GEMINI_BASE_URL="http://127.0.0.1:$(cat "$work/port")/$way" "$work/npm/node_modules/.bin/gemini" \
        -o stream-json --skip-trust --yolo --model gemini-2.5-pro -p "Say hello." </dev/null >"$work/out" 2>"$work/err") || code=$?
    asked=$(wc -l < "$work/asked")
    told=$(grep '"type":"result"' "$work/out" | sed 's/.*"status":"\([a-z]*\)".*/\1/')
    named=$(cat "$work/out" "$work/home/.gemini/tmp/project/chats/"*.jsonl | grep -c finishReason || true)
    echo "$way: half an answer asked for $asked times, the result is '$told', exit code $code, lines with a finishReason: $named"
    [ "$asked $told $code $named" = "$times $status 0 0" ] || { cat "$work/err"; echo "changed"; exit 1; }
done
