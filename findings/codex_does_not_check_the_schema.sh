#!/usr/bin/env bash
# codex exec 0.171.0 with --output-schema: an answer that is no JSON at all, as servers that take no notice of the form
# give (text.format of the Responses API), is the result: one question, exit code 0, turn.completed, and the words in
# the file of --output-last-message. Guess: codex checks the answer, asks again or ends with an error.
set -euo pipefail
version=${CODEX_VERSION:-0.171.0}
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
npm install --prefix "$work/npm" --no-fund --no-audit --loglevel=error "@openai/codex@$version" >/dev/null
mkdir -p "$work/home" "$work/project" "$work/tmp"

cat > "$work/model.py" <<'PY'
import http.server, json, sys
class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_GET(self):  # no WebSockets here
        self.send_response(426); self.send_header("Content-Length", "0"); self.end_headers()
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        open(sys.argv[1] + "/asked", "a").write(asked.get("text", {}).get("format", {}).get("type", "none") + "\n")
        item = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "It is five."}]}
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        self.send_response(200); self.send_header("Content-Type", "text/event-stream"); self.end_headers()
        for event in ({"type": "response.created", "response": {"id": "r"}},
                      {"type": "response.output_item.done", "output_index": 0, "item": item},
                      {"type": "response.completed", "response": {"id": "r", "output": [item], "usage": usage}}):
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
server.daemon_threads = True
open(sys.argv[1] + "/port", "w").write(str(server.server_address[1]))
server.serve_forever()
PY
python3 "$work/model.py" "$work" &
server=$!
until [ -s "$work/port" ]; do sleep 0.1; done

"$work/npm/node_modules/.bin/codex" --version
echo '{"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"], "additionalProperties": false}' >"$work/form"
code=0
echo "Which number?" | (cd "$work/project" && env TMPDIR="$work/tmp" HOME="$work/home" CODEX_HOME="$work/home" CODEX_API_KEY=none \
    "$work/npm/node_modules/.bin/codex" exec --json --skip-git-repo-check --model gpt-5 --output-schema "$work/form" \
    --output-last-message "$work/last" -c "openai_base_url=\"http://127.0.0.1:$(cat "$work/port")/v1\"" - >"$work/events" 2>"$work/err") || code=$?
asked=$(tr '\n' ' ' <"$work/asked")
said=$(sed -n 's/.*"type":"\(turn\.[a-z]*\)".*/\1/p' "$work/events" | tail -1)
echo "asked for: $asked; the answer kept is '$(cat "$work/last")'; last word $said, exit code $code"
[ "$asked$code $said $(cat "$work/last")" = "json_schema 0 turn.completed It is five." ] || { cat "$work/err"; echo "changed"; exit 1; }
