#!/usr/bin/env bash
# moto 5.2.5 as a server honours If-Match on a PUT, as S3 does, but compares and writes in two steps, and its server has a
# thread for each request: of several PUTs at once with the same ETag more than one may be answered with 200, and what
# the others wrote is gone. A lock or a head object that is tried against it looks broken, or passes by luck. Served one
# request at a time (app.run(threaded=False)) exactly one wins.
# Guess: of several PUTs with one ETag one gets 200, the others 412.
set -euo pipefail
version=${MOTO_VERSION:-5.2.5}
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check uv
"$work/venv/bin/uv" pip install --quiet --python "$work/venv/bin/python" "moto[s3,server]==$version" Werkzeug==3.1.5

cat > "$work/serve.py" <<'PY'
import sys; sys.setswitchinterval(0.00001)  # threads take turns often, as they do on a busy machine
from werkzeug.serving import make_server
from moto.server import DomainDispatcherApplication, create_backend_app
app = DomainDispatcherApplication(create_backend_app)
server = make_server("127.0.0.1", 0, app, threaded=sys.argv[2] == "threads")
open(sys.argv[1], "w").write(str(server.port))
server.serve_forever()
PY
cat > "$work/race.py" <<'PY'
import http.client, sys, threading
port, rounds, rivals = int(sys.argv[1]), int(sys.argv[2]), 6
KEY = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x"}
def ask(method, path, body=b"", **headers):
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    line.request(method, path, body, KEY | headers)
    answer = line.getresponse(); answer.read(); line.close()
    return answer.status, answer.getheader("ETag")
assert ask("PUT", "/bucket")[0] == 200
unfair = 0
for number in range(rounds):
    _, tag = ask("PUT", "/bucket/head", b"%d" % number)
    assert ask("PUT", "/bucket/head", b"x", **{"If-Match": '"0"'})[0] == 412  # alone it is honoured
    barrier, told = threading.Barrier(rivals), []
    def swap(n):
        barrier.wait()
        told.append(ask("PUT", "/bucket/head", b"%d by %d" % (number, n) * 2000, **{"If-Match": tag})[0])
    threads = [threading.Thread(target=swap, args=(n,)) for n in range(rivals)]
    [each.start() for each in threads]; [each.join() for each in threads]
    assert set(told) <= {200, 412}, told
    unfair += told.count(200) != 1
print(unfair)
PY
race() {  # race threads|turns ROUNDS: in how many rounds not exactly one of six won
    rm -f "$work/port"
    "$work/venv/bin/python" "$work/serve.py" "$work/port" "$1" >"$work/log" 2>&1 &
    server=$!
    until [ -s "$work/port" ]; do kill -0 "$server" || { cat "$work/log"; exit 2; }; sleep 0.1; done
    unfair=$(python3 "$work/race.py" "$(cat "$work/port")" "$2")
    kill "$server"
    echo "moto $version, requests in $1: in $unfair of $2 rounds not exactly one of six swaps got 200"
}
race threads 300
[ "$unfair" -gt 0 ]
race turns 50
[ "$unfair" -eq 0 ]
