#!/usr/bin/env bash
# gemini-cli 0.61.0 ends with the HTTP status of the API as its exit code, of which the kernel keeps the last 8 bits: a
# 400 is 144, which a shell reads as "killed by signal 16"; a 404 is 1 all the same. Guess: 1, or codes of its own table.
set -euo pipefail
version=${GEMINI_VERSION:-0.61.0}
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
npm install --prefix "$work/npm" --no-fund --no-audit --loglevel=error "@google/gemini-cli@$version" >/dev/null
mkdir -p "$work/home/.gemini" "$work/project"
echo '{"security": {"auth": {"selectedType": "gemini-api-key"}}}' > "$work/home/.gemini/settings.json"

cat > "$work/model.py" <<'PY'
import http.server, json, sys
class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        status = int(self.path.split("/")[1])
        body = json.dumps({"error": {"code": status, "message": "no", "status": "INVALID_ARGUMENT"}}).encode()
        self.send_response(status); self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
open(sys.argv[1] + "/port", "w").write(str(server.server_address[1]))
server.serve_forever()
PY
python3 "$work/model.py" "$work" &
server=$!
until [ -s "$work/port" ]; do sleep 0.1; done

"$work/npm/node_modules/.bin/gemini" --version
for pair in 400:144 404:1; do
    code=0
    (cd "$work/project" && env HOME="$work/home" GEMINI_CLI_HOME="$work/home" GEMINI_API_KEY=none GEMINI_CLI_NO_RELAUNCH=true \
        GOOGLE_GEMINI_BASE_URL="http://127.0.0.1:$(cat "$work/port")/${pair%:*}" "$work/npm/node_modules/.bin/gemini" \
        -o stream-json --skip-trust --model gemini-2.5-pro -p "Say hello." </dev/null >"$work/out" 2>&1) || code=$?
    echo "the API says ${pair%:*}: exit code $code"
    [ "$code" -eq "${pair#*:}" ] || { tail -5 "$work/out"; echo "changed"; exit 1; }
done
