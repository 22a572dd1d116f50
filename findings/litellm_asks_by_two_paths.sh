#!/usr/bin/env bash
# LiteLLM 1.110.2, asked by the Messages API for a model of provider `openai` (the usual way to name a server of one's own
# that speaks chat completions, `openai/NAME` with `api_base`), posts to /v1/responses if the request has no stop sequences
# and to /v1/chat/completions if it has some. A server that knows chat completions only answers with 404 to the one kind and
# serves the other; with `hosted_vllm/NAME` every request goes to chat completions.
# Guess: what a deployment is asked by depends on its configuration, not on a field of the request.
set -euo pipefail
version=${LITELLM_VERSION:-1.110.2}
work=$(mktemp -d)
trap 'kill "${server:-}" "${router:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check uv
"$work/venv/bin/uv" pip install --quiet --python "$work/venv/bin/python" "litellm==$version" APScheduler==3.11.3 \
    backoff==2.2.1 boto3==1.44.8 cryptography==50.0.2 Expression==5.8.0 fastapi==0.165.0 fastapi-sso==0.23.0 httpx2==2.16.2 \
    mcp==2.3.0 orjson==3.13.0 PyJWT==2.15.1 PyNaCl==1.6.2 python-multipart==0.0.34 redis==8.1.0 rich==15.0.0 semver==3.1.2 \
    soundfile==0.14.0 uvicorn==0.54.0 uvloop==0.23.0 websockets==17.4

cat > "$work/model.py" <<'PY'
import http.server, json, sys
class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        open(sys.argv[1] + "/asked", "a").write(self.path + "\n")
        message = {"role": "assistant", "content": "Hello."}
        told = {"id": "c", "object": "chat.completion", "created": 0, "model": "m",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}}
        knows = self.path == "/v1/chat/completions"
        body = json.dumps(told if knows else {"error": {"message": "unknown path"}}).encode()
        self.send_response(200 if knows else 404); self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
open(sys.argv[1] + "/port", "w").write(str(server.server_address[1]))
server.serve_forever()
PY
python3 "$work/model.py" "$work" &
server=$!
until [ -s "$work/port" ]; do sleep 0.1; done
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > "$work/config.yaml" <<YAML
model_list:
  - model_name: plain
    litellm_params: {model: openai/loop, api_base: "http://127.0.0.1:$(cat "$work/port")/v1", api_key: none}
  - model_name: hosted
    litellm_params: {model: hosted_vllm/loop, api_base: "http://127.0.0.1:$(cat "$work/port")/v1", api_key: none}
YAML
LITELLM_MASTER_KEY=sk-for-loopback-only LITELLM_LOCAL_MODEL_COST_MAP=True HOME="$work" \
    "$work/venv/bin/litellm" --config "$work/config.yaml" --host 127.0.0.1 --port "$port" >"$work/log" 2>&1 &
router=$!
until curl -sf "http://127.0.0.1:$port/health/liveliness" >/dev/null; do
    kill -0 "$router" 2>/dev/null || { cat "$work/log"; exit 2; }
    sleep 0.5
done

ask() {  # ask MODEL FIELDS: what the router answers, and which path it asked
    : > "$work/asked"
    code=$(curl -s "http://127.0.0.1:$port/v1/messages" -H "content-type: application/json" -o /dev/null -w '%{http_code}' \
        -H "x-api-key: sk-for-loopback-only" \
        -d "{\"model\": \"$1\", \"max_tokens\": 100, $2 \"messages\": [{\"role\": \"user\", \"content\": \"Go.\"}]}")
    paths=$(sort -u "$work/asked" | paste -sd ' ')
    echo "model $1, ${2:-no stop sequences,} the router asks $paths and answers $code"
}
stops='"stop_sequences": ["STOP"],'
ask plain "$stops"
[ "$code $paths" = "200 /v1/chat/completions" ]
ask plain ""
[ "$code $paths" = "404 /v1/responses" ]
ask hosted ""
[ "$code $paths" = "200 /v1/chat/completions" ]
