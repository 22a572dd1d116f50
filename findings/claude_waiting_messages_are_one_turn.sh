#!/usr/bin/env bash
# Claude Code 2.1.332, --input-format stream-json: three user messages on standard input, the second and the third while
# the first is being answered, have two results: those that wait are put together into one question. Who reads a result
# for each message waits for a third that never comes, and takes the second one for the answer to the second message.
# "usage" of a result is of its turn, total_cost_usd and modelUsage beside it of all turns so far.
# Guess: each message is a turn with a result of its own, in their order.
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
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words = [word for word in ("APPLE", "PEAR", "PLUM") if word in json.dumps(asked["messages"][-1])]
        open(sys.argv[1] + "/asked", "a").write(" ".join(words) + "\n")
        for _ in range(300):  # the first is answered when the others wait
            if os.path.exists(sys.argv[1] + "/said"): break
            time.sleep(0.1)
        usage = {"input_tokens": 1000, "output_tokens": 1}
        message = {"id": f"msg_{len(asked['messages'])}", "type": "message", "role": "assistant", "content": [],
                   "model": asked["model"], "stop_reason": None, "stop_sequence": None, "usage": usage}
        self.send_response(200); self.send_header("Content-Type", "text/event-stream"); self.end_headers()
        for event in ({"type": "message_start", "message": message},
                      {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                      {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Noted."}},
                      {"type": "content_block_stop", "index": 0},
                      {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage},
                      {"type": "message_stop"}):
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
open(sys.argv[1] + "/port", "w").write(str(server.server_address[1]))
server.serve_forever()
PY
python3 "$work/model.py" "$work" &
server=$!
until [ -s "$work/port" ]; do sleep 0.1; done

say() { printf '{"type": "user", "message": {"role": "user", "content": "Remember %s."}}\n' "$1"; }
"$work/npm/node_modules/.bin/claude" --version
code=0
{ say APPLE
  until [ -s "$work/asked" ]; do sleep 0.1; done
  say PEAR; say PLUM
  sleep 2; touch "$work/said"; sleep 10  # time for a third result
} | (cd "$work/project" && timeout 100 env HOME="$work/home" CLAUDE_CONFIG_DIR="$work/home/.claude" ANTHROPIC_API_KEY=none \
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 ANTHROPIC_BASE_URL="http://127.0.0.1:$(cat "$work/port")" \
    "$work/npm/node_modules/.bin/claude" -p --input-format stream-json --output-format stream-json --verbose \
    --model claude-sonnet-4-5 >"$work/out") || code=$?
python3 - "$work" "$code" <<'PY'
import json, pathlib, sys
work, code = pathlib.Path(sys.argv[1]), sys.argv[2]
results = [line for line in map(json.loads, (work / "out").open()) if line["type"] == "result"]
asked = (work / "asked").read_text().splitlines()
usage = [result["usage"]["input_tokens"] for result in results]
totals = [sum(model["inputTokens"] for model in result["modelUsage"].values()) for result in results]
print(f"3 messages: the model was asked {asked}; {len(results)} results, exit code {code}")
print(f"usage of the results {usage}, modelUsage {totals}")
sys.exit(0 if (asked, usage, totals, code) == (["APPLE", "PEAR PLUM"], [1000, 1000], [1000, 2000], "0") else "changed")
PY
