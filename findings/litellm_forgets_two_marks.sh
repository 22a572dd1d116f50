#!/usr/bin/env bash
# LiteLLM 1.110.2 turns a request of the Messages API into chat completions without two of its marks: that a tool's
# result is an error (`is_error`), and that no two tools may be called at once (`disable_parallel_tool_use`), which the
# other API has a field for (`parallel_tool_calls`). It answers 200 and logs nothing; text, pictures in results, stop
# sequences and the duty to call a tool all arrive. Guess: the first comes as words, the second as that field.
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
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        open(sys.argv[1] + "/asked.json", "wb").write(asked)
        message = {"role": "assistant", "content": "Hello."}
        told = {"id": "c", "object": "chat.completion", "created": 0, "model": "m",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}}
        body = json.dumps(told).encode()
        self.send_response(200); self.send_header("Content-Type", "application/json")
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
  - model_name: loop
    litellm_params: {model: openai/loop, api_base: "http://127.0.0.1:$(cat "$work/port")/v1", api_key: none}
YAML
LITELLM_MASTER_KEY=sk-for-loopback-only LITELLM_LOCAL_MODEL_COST_MAP=True HOME="$work" \
    "$work/venv/bin/litellm" --config "$work/config.yaml" --host 127.0.0.1 --port "$port" >"$work/log" 2>&1 &
router=$!
until curl -sf "http://127.0.0.1:$port/health/liveliness" >/dev/null; do
    kill -0 "$router" 2>/dev/null || { cat "$work/log"; exit 2; }
    sleep 0.5
done

curl -sSf "http://127.0.0.1:$port/v1/messages" -H "content-type: application/json" -H "x-api-key: sk-for-loopback-only" \
    -o /dev/null -w 'the router answers %{http_code}\n' -d '{"model": "loop", "max_tokens": 100, "stop_sequences": ["STOP"],
  "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
  "tools": [{"name": "look", "description": "Look.", "input_schema": {"type": "object", "properties": {}}}],
  "messages": [{"role": "user", "content": "Go."},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "is_error": true,
                                  "content": "blue"}]}]}'
python3 - "$work/asked.json" <<'PY'
import json, sys
asked = json.load(open(sys.argv[1]))
result = next(message for message in asked["messages"] if message["role"] == "tool")
print("of a result marked as an error the model is told:", json.dumps(result["content"]))
print("tool_choice:", asked["tool_choice"], "stop:", asked["stop"], "parallel_tool_calls:", asked.get("parallel_tool_calls"))
plain = json.dumps(result).count("rror") == 0 and "blue" in json.dumps(result["content"])
whole = asked["tool_choice"] == "required" and asked["stop"] == ["STOP"]
sys.exit(0 if plain and whole and "parallel_tool_calls" not in asked else "changed")
PY
