#!/usr/bin/env bash
# claude-code-router 2.0.0 tells its client of 0 tokens for a stream whose usage comes where the API of chat
# completions puts it, in a last chunk without choices, which its own "streamoptions" asks for; in the chunk before
# it is passed on. Guess: what it asks for it reads, so the client hears what the server counted.
set -euo pipefail
version=${CCR_VERSION:-2.0.0}
work=$(mktemp -d)
trap 'kill "${server:-}" "${router:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
npm install --prefix "$work/npm" --no-fund --no-audit --loglevel=error "@musistudio/claude-code-router@$version" >/dev/null
mkdir -p "$work/.claude-code-router"

cat > "$work/model.py" <<'PY'
import http.server, json, sys
class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        open(sys.argv[1] + "/asked", "w").write(json.dumps(asked.get("stream_options")))
        usage = {"prompt_tokens": 1200, "completion_tokens": 34, "total_tokens": 1234}
        hello = {"index": 0, "delta": {"role": "assistant", "content": "Hello."}, "finish_reason": None}
        chunks = [{"choices": [hello]}, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]
        if asked["model"] == "chunk-of-its-own":
            chunks.append({"choices": [], "usage": usage})
        else:
            chunks[-1]["usage"] = usage
        self.send_response(200); self.send_header("Content-Type", "text/event-stream"); self.end_headers()
        head = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": asked["model"]}
        for chunk in chunks:
            self.wfile.write(f"data: {json.dumps({**head, **chunk})}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
open(sys.argv[1] + "/port", "w").write(str(server.server_address[1]))
server.serve_forever()
PY
python3 "$work/model.py" "$work" &
server=$!
until [ -s "$work/port" ]; do sleep 0.1; done
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > "$work/.claude-code-router/config.json" <<JSON
{"PORT": $port, "HOST": "127.0.0.1", "NON_INTERACTIVE_MODE": true, "LOG": false,
 "Router": {"default": "loop,chunk-of-its-own"}, "Providers": [{"name": "loop", "api_key": "none",
 "api_base_url": "http://127.0.0.1:$(cat "$work/port")/v1/chat/completions", "models": ["chunk-of-its-own", "last-chunk"],
 "transformer": {"use": ["streamoptions"]}}]}
JSON
HOME="$work" "$work/npm/node_modules/.bin/ccr" start >"$work/log" 2>&1 &
router=$!
until curl -sf "http://127.0.0.1:$port/health" >/dev/null; do
    kill -0 "$router" 2>/dev/null || { cat "$work/log"; exit 2; }
    sleep 0.2
done

"$work/npm/node_modules/.bin/ccr" version
for pair in chunk-of-its-own:0,0 last-chunk:1200,34; do
    told=$(curl -sS "http://127.0.0.1:$port/v1/messages" -H "content-type: application/json" -H "x-api-key: none" -d "{\"model\":
        \"loop,${pair%:*}\", \"max_tokens\": 100, \"stream\": true, \"messages\": [{\"role\": \"user\", \"content\": \"Say hello.\"}]}" |
        sed -n 's/.*"type":"message_delta".*"input_tokens":\([0-9]*\),"output_tokens":\([0-9]*\).*/\1,\2/p')
    echo "stream_options $(cat "$work/asked"); the server tells 1200,34 (${pair%:*}); the client is told $told"
    [[ $told == "${pair#*:}" && $(cat "$work/asked") == '{"include_usage": true}' ]] || { echo "changed"; exit 1; }
done
