#!/usr/bin/env bash
# codex exec 0.171.0, an MCP server on standard input and output that ends between two calls (killed, out of memory): it
# is not started again. All further calls of that run fail with "Transport closed", the tool is offered all the same, and
# the run ends with exit code 0. With a server over HTTP that was started again codex begins a new session by itself.
# Guess: what it started it starts again at the next call, as Claude Code 2.1.332 does.
set -euo pipefail
version=${CODEX_VERSION:-0.171.0}
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
npm install --prefix "$work/npm" --no-fund --no-audit --loglevel=error "@openai/codex@$version" >/dev/null
mkdir -p "$work/home" "$work/project" "$work/tmp"

cat > "$work/tools.py" <<'PY'
import json, os, sys
open(sys.argv[1] + "/started", "a").write("once\n")
for line in sys.stdin:
    asked = json.loads(line)
    told = {}
    if asked["method"] == "initialize":
        told = {"protocolVersion": asked["params"]["protocolVersion"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "bell", "version": "1"}}
    if asked["method"] == "tools/list":
        told = {"tools": [{"name": "ring_bell", "description": "ring", "inputSchema": {"type": "object", "properties": {}}}]}
    if asked["method"] == "tools/call":
        told = {"content": [{"type": "text", "text": "ding"}]}
    if "id" in asked:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": told}), flush=True)
    if asked["method"] == "tools/call":
        os._exit(1)  # it has answered, and is gone
PY

cat > "$work/model.py" <<'PY'
import http.server, json, sys
class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_GET(self):  # no WebSockets here
        self.send_response(426); self.send_header("Content-Length", "0"); self.end_headers()
    def do_POST(self):  # calls the tool three times
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        results = [json.dumps(item["output"]) for item in asked["input"] if item.get("type") == "function_call_output"]
        offered = [each for each in asked["tools"] if "ring_bell" in json.dumps(each)]
        item = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "Done."}]}
        if len(results) < 3:
            number = len(results)
            item = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": "ring_bell", "arguments": "{}"}
            if offered[0]["type"] == "namespace":
                item["namespace"] = offered[0]["name"]
        else:
            words = ["ding" if "ding" in each else "closed" if "Transport closed" in each else each for each in results]
            open(sys.argv[1] + "/told", "w").write(f"{' '.join(words)} offered {len(offered)}\n")
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

"$work/npm/node_modules/.bin/codex" --version
code=0
echo "Ring." | (cd "$work/project" && env TMPDIR="$work/tmp" HOME="$work/home" CODEX_HOME="$work/home" CODEX_API_KEY=none \
    "$work/npm/node_modules/.bin/codex" exec --json --skip-git-repo-check --model gpt-5 \
    -c "openai_base_url=\"http://127.0.0.1:$(cat "$work/port")/v1\"" -c 'mcp_servers.bell.command="python3"' \
    -c "mcp_servers.bell.args=[\"$work/tools.py\", \"$work\"]" -c 'mcp_servers.bell.required=true' \
    -c 'mcp_servers.bell.default_tools_approval_mode="approve"' - >"$work/events" 2>"$work/err") || code=$?
starts=$(wc -l <"$work/started")
echo "three calls: $(cat "$work/told"); the server was started $starts time(s); exit code $code"
[ "$(cat "$work/told") $starts $code" = "ding closed closed offered 1 1 0" ] || { cat "$work/err" "$work/events"; echo "changed"; exit 1; }
