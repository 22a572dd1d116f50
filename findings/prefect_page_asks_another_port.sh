#!/usr/bin/env bash
# `prefect server start --port N` (3.9.1) serves its page and its API at N, says so, and tells the page to ask port 4200:
# /ui-settings names http://127.0.0.1:4200/api. With nothing there the page cannot connect; with another server of the
# same user there, it shows and changes the runs of that one. PREFECT_UI_API_URL sets it right.
# Guess: the page asks the address that it came from.
set -euo pipefail
version=${PREFECT_VERSION:-3.9.1}
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check uv
"$work/venv/bin/uv" pip install --quiet --python "$work/venv/bin/python" "prefect==$version"
export HOME="$work" PREFECT_HOME="$work/home" PREFECT_SERVER_ANALYTICS_ENABLED=false

told_page() {  # told_page [NAME=VALUE]: what a server at a port of its own tells its page
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    env "${1:-NO=THING}" "$work/venv/bin/prefect" server start --host 127.0.0.1 --port "$port" > "$work/log" 2>&1 &
    server=$!
    for _ in $(seq 300); do
        curl -sf "http://127.0.0.1:$port/api/health" >/dev/null && break
        kill -0 "$server" 2>/dev/null || { cat "$work/log" >&2; exit 2; }
        sleep 0.5
    done
    told=$(curl -sSf "http://127.0.0.1:$port/ui-settings" | python3 -c 'import json, sys; print(json.load(sys.stdin)["api_url"])')
    printed=$(grep -o 'dashboard at .*' "$work/log")
    kill "$server"
    wait "$server" 2>/dev/null || true
}

told_page
echo "prefect $version, started at port $port: 'Check out the $printed', and the page is told to ask $told"
[ "$printed" = "dashboard at http://127.0.0.1:$port" ]
[ "$told" = http://127.0.0.1:4200/api ]
told_page PREFECT_UI_API_URL=/api
echo "with PREFECT_UI_API_URL=/api it is told to ask $told"
[ "$told" = /api ]
