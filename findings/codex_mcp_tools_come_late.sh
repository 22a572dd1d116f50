#!/usr/bin/env bash
# codex exec 0.171.0 asks the model before an MCP server of its configuration has told its tools, and says nothing:
# a model that answers at once never had them. Only `required = true` of that server makes it wait. Guess: it waits.
set -euo pipefail
version=${CODEX_VERSION:-0.171.0}
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
npm install --prefix "$work/npm" --no-fund --no-audit --loglevel=error "@openai/codex@$version" >/dev/null
mkdir -p "$work/home" "$work/project" "$work/tmp"

cat > "$work/tools.py" <<'PY'
import json, sys, time
time.sleep(4)  # a server that is slow to start, as one is that npx or uvx fetches first
for line in sys.stdin:
    asked = json.loads(line)
    told = {}
    if asked["method"] == "initialize":
        told = {"protocolVersion": asked["params"]["protocolVersion"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "slow", "version": "1"}}
    if asked["method"] == "tools/list":
        told = {"tools": [{"name": "ring_bell", "description": "ring", "inputSchema": {"type": "object"}}]}
    if "id" in asked:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": told}), flush=True)
PY

cat > "$work/model.py" <<'PY'
import http.server, json, sys
class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_GET(self):  # no WebSockets here
        self.send_response(426); self.send_header("Content-Length", "0"); self.end_headers()
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(sys.argv[1] + "/offered", "a") as file:
            file.write("yes\n" if b'"ring_bell"' in body else "no\n")
        item = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]}
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
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

ask() {  # ask [MORE OPTIONS]: one turn; prints whether the model was offered the tool
    rm -f "$work/offered"
    echo "Say hello." | (cd "$work/project" && env TMPDIR="$work/tmp" HOME="$work/home" CODEX_HOME="$work/home" \
        CODEX_API_KEY=none "$work/npm/node_modules/.bin/codex" exec --json --skip-git-repo-check --model gpt-5 \
        -c "openai_base_url=\"http://127.0.0.1:$(cat "$work/port")/v1\"" \
        -c 'mcp_servers.slow.command="python3"' -c "mcp_servers.slow.args=[\"$work/tools.py\"]" \
        -c 'mcp_servers.slow.startup_timeout_sec=60' "$@" - >"$work/events" 2>/dev/null)
    cat "$work/offered"
}

"$work/npm/node_modules/.bin/codex" --version
plain=$(ask)
said=$(grep -ci 'slow\|mcp' "$work/events" || true)
required=$(ask -c 'mcp_servers.slow.required=true')
echo "offered the tool: by default $plain (events that name the server: $said), with required = true: $required"
[ "$plain" = no ] && [ "$said" = 0 ] && [ "$required" = yes ]
