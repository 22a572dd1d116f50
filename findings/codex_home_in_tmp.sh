#!/usr/bin/env bash
# codex exec 0.171.0 with CODEX_HOME below the folder for temporary files (a CI job, a container): every command in its
# sandbox fails, "execvp codex-linux-sandbox: No such file or directory", and it exits with 0. Guess: it works anywhere.
set -euo pipefail
version=${CODEX_VERSION:-0.171.0}
command -v bwrap >/dev/null || { echo "needs bubblewrap"; exit 2; }
work=$(mktemp -d -p /tmp)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
npm install --prefix "$work/npm" --no-fund --no-audit --loglevel=error "@openai/codex@$version" >/dev/null
mkdir -p "$work/project" "$work/tmp"

cat > "$work/model.py" <<'PY'
import http.server, json, sys
class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_GET(self):  # no WebSockets here
        self.send_response(426); self.send_header("Content-Length", "0"); self.end_headers()
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        item = {"type": "function_call", "id": "f", "call_id": "c", "name": "exec_command", "arguments": '{"cmd": "echo hello"}'}
        if b'"function_call_output"' in body:
            item = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "Done."}]}
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

run() {  # run TMPDIR: the same home, project and command; what came of the command, and the exit code
    rm -rf "$work/home"
    mkdir "$work/home"
    code=0
    echo "Say hello." | (cd "$work/project" && env TMPDIR="$1" HOME="$work/home" CODEX_HOME="$work/home" \
        CODEX_API_KEY=none "$work/npm/node_modules/.bin/codex" exec --json --skip-git-repo-check --model gpt-5 \
        -c 'sandbox_mode="workspace-write"' -c "openai_base_url=\"http://127.0.0.1:$(cat "$work/port")/v1\"" - \
        >"$work/events" 2>/dev/null) || code=$?
    output=$(grep '"type":"item.completed"' "$work/events" | grep -o '"aggregated_output":"[^"]*","exit_code":[0-9]*')
}

"$work/npm/node_modules/.bin/codex" --version
run /tmp
echo "home below TMPDIR:   $output; codex exits with $code"
[[ $output == *"codex-linux-sandbox: No such file"* && $code -eq 0 ]] || { echo "changed"; exit 1; }
run "$work/tmp"
echo "home beside TMPDIR:  $output; codex exits with $code"
[[ $output == *'hello\n","exit_code":0' ]] || { echo "changed"; exit 1; }
