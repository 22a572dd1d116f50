#!/usr/bin/env bash
# Claude Code 2.1.332 runs a command as soon as its block is complete, while the answer is still coming. When the stream
# then breaks off before its end, the answer is not asked for again, as one of words alone is: the call has run, and the
# next question goes on from it; calls that the model would have made after it are lost. The exit code is 0, and only a
# line of the JSON stream by the model "<synthetic>" says that something broke. Guess: calls run when the answer has
# ended (message_stop), and a broken answer is dropped and asked for again.
set -euo pipefail
version=${CLAUDE_VERSION:-2.1.332}
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
npm install --prefix "$work/npm" --no-fund --no-audit --loglevel=error "@anthropic-ai/claude-code@$version" >/dev/null
mkdir -p "$work/home" "$work/project"

cat > "$work/model.py" <<'PY'
import http.server, json, os, sys, time
class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def say(self, *events):
        for event in events:
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        self.wfile.flush()
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        told = [block for message in asked["messages"] if isinstance(message["content"], list)
                for block in message["content"] if block["type"] == "tool_result"]
        usage = {"input_tokens": 1000, "output_tokens": 1}
        message = {"id": f"msg_{len(told)}", "type": "message", "role": "assistant", "content": [], "model": asked["model"],
                   "stop_reason": None, "stop_sequence": None, "usage": usage}
        self.send_response(200); self.send_header("Content-Type", "text/event-stream"); self.end_headers()
        self.say({"type": "message_start", "message": message})
        open(sys.argv[1] + "/asked", "a").write(f"with {len(told)} results\n")
        if told:
            start, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": "Done."}
        else:
            call = {"command": "echo once >> ran", "description": "leave a file"}
            start = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(call)}
        self.say({"type": "content_block_start", "index": 0, "content_block": start},
                 {"type": "content_block_delta", "index": 0, "delta": delta}, {"type": "content_block_stop", "index": 0})
        if told:
            self.say({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage},
                     {"type": "message_stop"})
        else:  # the answer is open, as if more were to come
            for _ in range(200):
                if os.path.exists(sys.argv[1] + "/project/ran"):
                    open(sys.argv[1] + "/while_open", "w").close()
                    break
                time.sleep(0.1)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
open(sys.argv[1] + "/port", "w").write(str(server.server_address[1]))
server.serve_forever()
PY
python3 "$work/model.py" "$work" &
server=$!
until [ -s "$work/port" ]; do sleep 0.1; done

"$work/npm/node_modules/.bin/claude" --version
code=0
(cd "$work/project" && env HOME="$work/home" CLAUDE_CONFIG_DIR="$work/home/.claude" ANTHROPIC_API_KEY=none \
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 ANTHROPIC_BASE_URL="http://127.0.0.1:$(cat "$work/port")" \
    "$work/npm/node_modules/.bin/claude" -p "Go." --output-format stream-json --verbose --model claude-sonnet-4-5 \
    --allowedTools Bash </dev/null >"$work/out") || code=$?
open=$([ -e "$work/while_open" ] && echo yes || echo no)
ran=$(wc -l <"$work/project/ran")
asked=$(paste -sd, "$work/asked")
broke=$(grep -c '"model":"<synthetic>"' "$work/out" || true)
echo "the command ran while its answer was still open: $open; it ran $ran time(s); the model was asked $asked;" \
     "lines of <synthetic>: $broke; exit code $code"
[ "$open $ran $asked $broke $code" = "yes 1 with 0 results,with 1 results 1 0" ] || { cat "$work/out"; echo "changed"; exit 1; }
