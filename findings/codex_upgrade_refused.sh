#!/usr/bin/env bash
# codex exec 0.171.0 opens a WebSocket before it posts: refused with 426 it posts at once, refused with 404 or 405, as
# servers that only know POST do, it tries six more times first and takes seconds. Guess: any refusal is enough.
set -euo pipefail
version=${CODEX_VERSION:-0.171.0}
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
npm install --prefix "$work/npm" --no-fund --no-audit --loglevel=error "@openai/codex@$version" >/dev/null
mkdir -p "$work/project" "$work/tmp"

cat > "$work/model.py" <<'PY'
import http.server, json, sys
tries = 0
class Model(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_GET(self):
        global tries
        if self.path.endswith("/responses"):
            tries += 1
        self.send_response(int(self.path.split("/")[1])); self.send_header("Content-Length", "0"); self.end_headers()
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        open(sys.argv[1] + "/tries", "w").write(str(tries))
        item = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]}
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        self.send_response(200); self.send_header("Content-Type", "text/event-stream"); self.send_header("Connection", "close"); self.end_headers()
        for event in ({"type": "response.created", "response": {"id": "r"}},
                      {"type": "response.output_item.done", "output_index": 0, "item": item},
                      {"type": "response.completed", "response": {"id": "r", "output": [item], "usage": usage}}):
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
open(sys.argv[1] + "/port", "w").write(str(server.server_address[1]))
server.serve_forever()
PY

tries() {  # tries STATUS: how many WebSockets it opens, refused so, before it posts
    rm -f "$work/port" "$work/tries"
    python3 "$work/model.py" "$work" &
    server=$!
    until [ -s "$work/port" ]; do sleep 0.1; done
    mkdir -p "$work/home-$1"
    echo "Say hello." | (cd "$work/project" && env TMPDIR="$work/tmp" HOME="$work/home-$1" CODEX_HOME="$work/home-$1" \
        CODEX_API_KEY=none "$work/npm/node_modules/.bin/codex" exec --json --skip-git-repo-check --model gpt-5 \
        -c "openai_base_url=\"http://127.0.0.1:$(cat "$work/port")/$1/v1\"" - >/dev/null 2>&1)
    kill "$server"
    found=$(cat "$work/tries")
}

"$work/npm/node_modules/.bin/codex" --version
for status in 426 404 405; do
    tries "$status"
    echo "refused with $status: $found WebSockets before the first POST"
    case $status in
        426) [ "$found" -eq 1 ] || { echo "changed"; exit 1; } ;;
        *) [ "$found" -gt 4 ] || { echo "changed"; exit 1; } ;;
    esac
done
