#!/usr/bin/env bash
# Claude Code 2.1.332: two processes that resume one session at the same time both answer with exit code 0, and both
# write their turns to the one transcript; whoever resumes it next goes on from one of them, and the model never hears
# of the other turn. Guess: the second process is refused as the session is in use, or both turns are told afterwards.
set -euo pipefail
version=${CLAUDE_VERSION:-2.1.332}
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
npm install --prefix "$work/npm" --no-fund --no-audit --loglevel=error "@anthropic-ai/claude-code@$version" >/dev/null
mkdir -p "$work/home" "$work/project"

cat > "$work/model.py" <<'PY'
import http.server, json, sys, threading, uuid
meeting = threading.Barrier(2)  # both questions are under way before either is answered
class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        words = [word for word in ("APPLE", "PEAR", "PLUM", "LAST") if word in text]
        open(sys.argv[1] + "/asked", "a").write(" ".join(words) + "\n")
        if words[-1] in ("PEAR", "PLUM"): meeting.wait(60)
        message = {"id": f"msg_{uuid.uuid4().hex}", "type": "message", "role": "assistant", "content": [],
                   "model": json.loads(text)["model"], "stop_reason": None, "stop_sequence": None,
                   "usage": {"input_tokens": 10, "output_tokens": 1}}
        self.send_response(200); self.send_header("Content-Type", "text/event-stream"); self.end_headers()
        for event in ({"type": "message_start", "message": message},
                      {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                      {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Noted."}},
                      {"type": "content_block_stop", "index": 0},
                      {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                       "usage": {"input_tokens": 10, "output_tokens": 10}},
                      {"type": "message_stop"}):
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
open(sys.argv[1] + "/port", "w").write(str(server.server_address[1]))
server.serve_forever()
PY
python3 "$work/model.py" "$work" &
server=$!
until [ -s "$work/port" ]; do sleep 0.1; done

ask() {  # ask PROMPT OPTION...
    (cd "$work/project" && env HOME="$work/home" CLAUDE_CONFIG_DIR="$work/home/.claude" ANTHROPIC_API_KEY=none \
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 ANTHROPIC_BASE_URL="http://127.0.0.1:$(cat "$work/port")" \
        "$work/npm/node_modules/.bin/claude" -p "$1" --output-format json --model claude-sonnet-4-5 "${@:2}" </dev/null >/dev/null)
}
"$work/npm/node_modules/.bin/claude" --version
session=22222222-2222-4222-8222-222222222222
ask "Remember APPLE." --session-id $session
ask "Remember PEAR." --resume $session &
first=$!
ask "Remember PLUM." --resume $session && second_code=0 || second_code=$?
wait $first && first_code=0 || first_code=$?
ask "What was the LAST word?" --resume $session
kept=$(cat "$work"/home/.claude/projects/*/$session.jsonl | grep '"type":"user"' | grep -c 'Remember P')
told=$(tail -1 "$work/asked")
echo "exit codes $first_code and $second_code; the transcript holds $kept of the 2 turns; the next question was told: $told"
[ "$first_code $second_code $kept" = "0 0 2" ] && { [ "$told" = "APPLE PEAR LAST" ] || [ "$told" = "APPLE PLUM LAST" ]; }
