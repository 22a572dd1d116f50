#!/usr/bin/env bash
# Claude Code 2.1.332, -p --json-schema: a model that answers in words is asked once more; if it answers in words again,
# that is a success: exit code 0, "is_error":false, only the field structured_output is missing. A model that fills in
# the form wrongly is asked five times, and that is an error; "usage" leaves out the last of the five, modelUsage has it.
# Guess: both end in error_max_structured_output_retries, and usage tells all that was asked.
set -euo pipefail
version=${CLAUDE_VERSION:-2.1.332}
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
npm install --prefix "$work/npm" --no-fund --no-audit --loglevel=error "@anthropic-ai/claude-code@$version" >/dev/null
mkdir -p "$work/home" "$work/project"

cat > "$work/model.py" <<'PY'
import http.server, json, sys
class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):  # each answer costs 1000 tokens of input
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        turn = 1 + sum(message["role"] == "assistant" for message in asked["messages"])
        open(sys.argv[1] + "/asked", "a").write("once\n")
        start, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": "It is five."}
        reason, usage = "end_turn", {"input_tokens": 1000, "output_tokens": 1}
        if self.path.startswith("/wrong"):
            start = {"type": "tool_use", "id": f"toolu_{turn}", "name": "StructuredOutput", "input": {}}
            delta, reason = {"type": "input_json_delta", "partial_json": '{"number": "five"}'}, "tool_use"
        message = {"id": f"msg_{turn}", "type": "message", "role": "assistant", "content": [], "model": asked["model"],
                   "stop_reason": None, "stop_sequence": None, "usage": usage}
        self.send_response(200); self.send_header("Content-Type", "text/event-stream"); self.end_headers()
        for event in ({"type": "message_start", "message": message},
                      {"type": "content_block_start", "index": 0, "content_block": start},
                      {"type": "content_block_delta", "index": 0, "delta": delta},
                      {"type": "content_block_stop", "index": 0},
                      {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage},
                      {"type": "message_stop"}):
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
open(sys.argv[1] + "/port", "w").write(str(server.server_address[1]))
server.serve_forever()
PY
python3 "$work/model.py" "$work" &
server=$!
until [ -s "$work/port" ]; do sleep 0.1; done

"$work/npm/node_modules/.bin/claude" --version
for row in "words 0 2 success False False 2000 2000" \
           "wrong 1 5 error_max_structured_output_retries True False 4000 5000"; do
    rm -f "$work/asked"
    code=0
    (cd "$work/project" && env HOME="$work/home" CLAUDE_CONFIG_DIR="$work/home/.claude" ANTHROPIC_API_KEY=none \
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 ANTHROPIC_BASE_URL="http://127.0.0.1:$(cat "$work/port")/${row%% *}" \
        "$work/npm/node_modules/.bin/claude" -p "Which number?" --output-format json --model claude-sonnet-4-5 --json-schema \
        '{"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}' </dev/null >"$work/result") || code=$?
    seen=$(python3 - "$work/result" "${row%% *}" "$code" "$(wc -l < "$work/asked")" <<'PY'
import json, sys
result = json.load(open(sys.argv[1]))
(total,) = result["modelUsage"].values()
print(*sys.argv[2:], result["subtype"], result["is_error"], "structured_output" in result, result["usage"]["input_tokens"],
      total["inputTokens"])
PY
    )
    read -r way code times subtype error has usage total <<<"$seen"
    echo "$way: exit code $code after $times questions, $subtype, is_error $error, has structured_output: $has;" \
         "usage tells $usage tokens, modelUsage $total"
    [ "$seen" = "$row" ] || { cat "$work/result"; echo "changed"; exit 1; }
done
