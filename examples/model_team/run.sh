#!/bin/sh
# Makes a small git repository and has the team of plan.toml work on it. With ANTHROPIC_API_KEY (or
# ANTHROPIC_BASE_URL) set it asks the real thing; without, a loopback server that answers from replies.toml.
#   sh run.sh [FOLDER]      FOLDER/demo becomes the repository; a temporary folder by default
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$(mktemp -d)}
python=$here/../../.venv/bin/python    # of `make demo` or `make venv`; else that of PATH
[ -x "$python" ] || python=python3
python=${PYTHON:-$python}

mkdir -p "$folder/demo"
if [ ! -d "$folder/demo/.git" ]; then
    git -C "$folder/demo" init -q
    echo "# Demo" > "$folder/demo/README.md"
    git -C "$folder/demo" add README.md
    git -C "$folder/demo" -c user.name=you -c user.email=you@localhost commit -q -m "Begin"
fi

if [ -z "${ANTHROPIC_API_KEY:-}${ANTHROPIC_BASE_URL:-}" ]; then
    "$python" -m maos_sup.loopback --script "$here/replies.toml" --url-file "$folder/url" > "$folder/server.log" &
    server=$!
    trap 'kill $server' EXIT
    while [ ! -s "$folder/url" ]; do
        kill -0 "$server"
        sleep 0.1
    done
    ANTHROPIC_BASE_URL=$(cat "$folder/url")
    export ANTHROPIC_BASE_URL
    echo "no key: answers come from $here/replies.toml"
fi

"$python" -m maos_sup run "$here/plan.toml" --project "$folder/demo" --yes
git -C "$folder/demo" log --stat --oneline
