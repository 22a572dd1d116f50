#!/usr/bin/env bash
# gemini-cli 0.61.0 and the Python SDK mcp 2.3.0 (its Client) on an MCP server over HTTP that was started again and so
# knows no old sessions: it says 404, for which the protocol (2025-11-25) demands a new initialize. Neither begins a new
# session; each further call fails the same way for as long as the client lives. codex 0.171.0, Claude Code 2.1.332 and
# opencode 1.18.33 begin one, and the call succeeds. Guess: the clients begin a new session, and make the call again in it.
set -euo pipefail
version=${GEMINI_VERSION:-0.61.0} sdk=${MCP_VERSION:-2.3.0}
work=$(mktemp -d)
trap 'kill "${server:-}" "${tools:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
npm install --prefix "$work/npm" --no-fund --no-audit --loglevel=error "@google/gemini-cli@$version" >/dev/null
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check uv 2>/dev/null
"$work/venv/bin/uv" pip install --quiet --python "$work/venv/bin/python" "mcp==$sdk" 2>/dev/null
mkdir -p "$work/home/.gemini" "$work/project"

cat > "$work/tools.py" <<'PY'
import http.server, json, sys, uuid
sessions, used = set(), set()
class Tools(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def answer(self, status, body=None, **headers):
        data = b"" if body is None else json.dumps({"jsonrpc": "2.0", **body}).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers(); self.wfile.write(data)
    def do_GET(self): self.answer(405)
    def do_DELETE(self): self.answer(200)
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        session, id_, method = self.headers.get("Mcp-Session-Id"), asked.get("id"), asked["method"]
        said = {"initialize": {"protocolVersion": asked.get("params", {}).get("protocolVersion"), "capabilities": {"tools": {}}, "serverInfo": {"name": "bell", "version": "1"}},
                "tools/list": {"tools": [{"name": "ring_bell", "description": "ring", "inputSchema": {"type": "object", "properties": {}}}]},
                "tools/call": {"content": [{"type": "text", "text": "ding"}]}}.get(method, {})
        if method == "tools/call":  # the second one of a session comes to a server that was started again meanwhile
            sessions.difference_update(used)
            used.add(session)
        if method == "initialize":
            session = uuid.uuid4().hex
            sessions.add(session)
            status, headers = 200, {"Mcp_Session_Id": session}
        else:
            status, headers = 400 if session is None else 404 if session not in sessions else 200 if "id" in asked else 202, {}
        open(sys.argv[1] + "/log", "a").write(f"{method} {status}\n")
        if status >= 400: self.answer(status, {"id": id_, "error": {"code": -32600, "message": "Session not found"}})
        elif status == 202: self.answer(202)
        else: self.answer(200, {"id": id_, "result": said}, **headers)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tools)
open(sys.argv[1] + "/tools", "w").write(str(server.server_address[1]))
server.serve_forever()
PY
cat > "$work/model.py" <<'PY'
import http.server, json, sys
class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):  # calls the tool three times
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        results = sum("functionResponse" in part for content in asked["contents"] for part in content["parts"])
        part = {"text": "Done."} if results == 3 else {"functionCall": {"name": "mcp_bell_ring_bell", "args": {}}}
        chunk = {"candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}],
                 "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}}
        self.send_response(200); self.send_header("Content-Type", "text/event-stream"); self.end_headers()
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
open(sys.argv[1] + "/port", "w").write(str(server.server_address[1]))
server.serve_forever()
PY
python3 "$work/tools.py" "$work" &
tools=$!
python3 "$work/model.py" "$work" &
server=$!
until [ -s "$work/port" ] && [ -s "$work/tools" ]; do sleep 0.1; done
url="http://127.0.0.1:$(cat "$work/tools")/mcp"

seen() { grep 'initialize \|tools/call' "$work/log" | paste -sd,; rm -f "$work/log"; }
cat > "$work/home/.gemini/settings.json" <<JSON
{"security": {"auth": {"selectedType": "gemini-api-key"}}, "mcpServers": {"bell": {"httpUrl": "$url", "trust": true}}}
JSON
(cd "$work/project" && env HOME="$work/home" GEMINI_CLI_HOME="$work/home" GEMINI_API_KEY=none GEMINI_CLI_NO_RELAUNCH=true \
    GOOGLE_GEMINI_BASE_URL="http://127.0.0.1:$(cat "$work/port")" "$work/npm/node_modules/.bin/gemini" \
    -o stream-json --skip-trust --yolo --model gemini-2.5-pro -p "Ring." </dev/null >"$work/out" 2>"$work/err")
gemini=$(seen)
echo "gemini-cli $version, three calls: $gemini"
cat > "$work/ring.py" <<'PY'
import asyncio, sys
from mcp import Client
async def main():
    async with Client(sys.argv[1]) as client:
        for _ in range(3):
            try:
                await client.call_tool("ring_bell", {})
            except Exception as error:
                print(type(error).__name__, error)
asyncio.run(main())
PY
"$work/venv/bin/python" "$work/ring.py" "$url" >"$work/out" 2>"$work/err"
python=$(seen)
echo "mcp $sdk, three calls: $python; $(paste -sd, "$work/out")"
wanted="initialize 200,tools/call 200,tools/call 404,tools/call 404"
[ "$gemini" = "$wanted" ] && [ "$python" = "$wanted" ] || { cat "$work/err"; echo "changed"; exit 1; }
