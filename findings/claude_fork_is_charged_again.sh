#!/usr/bin/env bash
# Claude Code 2.1.332, --resume ID --resume-session-at UUID --fork-session: the new session begins with all that the
# old one cost, with the turns after UUID too, which it leaves out; who adds up sessions counts them twice. "usage" in
# the same line is of this run only. Guess: the totals begin at 0, or with the turns that were taken over.
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
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        turn = 1 + sum(message["role"] == "assistant" for message in asked["messages"])
        open(sys.argv[1] + "/turns", "a").write(f"{turn} ")  # the first turn costs 1000 tokens, the second 2000...
        message = {"id": f"msg_{turn}", "type": "message", "role": "assistant", "content": [], "model": asked["model"],
                   "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 1000 * turn, "output_tokens": 1}}
        self.send_response(200); self.send_header("Content-Type", "text/event-stream"); self.end_headers()
        for event in ({"type": "message_start", "message": message},
                      {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                      {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": f"Answer {turn}."}},
                      {"type": "content_block_stop", "index": 0},
                      {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                       "usage": {"input_tokens": 1000 * turn, "output_tokens": 10}},
                      {"type": "message_stop"}):
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
open(sys.argv[1] + "/port", "w").write(str(server.server_address[1]))
server.serve_forever()
PY
python3 "$work/model.py" "$work" &
server=$!
until [ -s "$work/port" ]; do sleep 0.1; done

ask() {  # ask PROMPT OPTION...: its result goes to $work/result
    (cd "$work/project" && env HOME="$work/home" CLAUDE_CONFIG_DIR="$work/home/.claude" ANTHROPIC_API_KEY=none \
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 ANTHROPIC_BASE_URL="http://127.0.0.1:$(cat "$work/port")" \
        "$work/npm/node_modules/.bin/claude" -p "$1" --output-format json --model claude-sonnet-4-5 "${@:2}" </dev/null >"$work/result")
}
"$work/npm/node_modules/.bin/claude" --version
old=11111111-1111-4111-8111-111111111111
ask "One." --session-id $old
ask "Two." --resume $old
ask "Three." --resume $old
cut=$(grep -h '"type":"assistant"' "$work/home/.claude/projects/"*/$old.jsonl | head -1 | sed 's/.*"uuid":"\([^"]*\)".*/\1/')
ask "Another two." --resume $old --resume-session-at "$cut" --fork-session
python3 - "$work" $old <<'PY'
import json, pathlib, sys
work, old = pathlib.Path(sys.argv[1]), sys.argv[2]
result = json.loads((work / "result").read_text())
(total,) = result["modelUsage"].values()
lines = {path.stem: [json.loads(line) for line in path.open()] for path in work.glob("home/.claude/projects/*/*.jsonl")}
answers = {name: [line["uuid"] for line in of if line["type"] == "assistant"] for name, of in lines.items()}
new, before = answers[result["session_id"]], answers[old]
turns = (work / "turns").read_text().strip()
print(f"the server was asked for turns {turns}; each cost 1000 tokens times its number: 6000 before the fork, 2000 in it")
print(f"the new session holds {len(new)} answers, the first with the uuid of the old one's: {new[0] == before[0]}")
print(f"it tells usage {result['usage']['input_tokens']}, modelUsage {total['inputTokens']}, ${result['total_cost_usd']}")
seen = (turns, len(new), new[0] == before[0], result["usage"]["input_tokens"], total["inputTokens"])
sys.exit(0 if seen == ("1 2 3 2", 2, True, 2000, 8000) else "changed")
PY
