#!/bin/sh
# Makes a small git repository with uncommitted work of yours, has the team of plan.toml work on it, and lands what it
# did. With ANTHROPIC_API_KEY (or ANTHROPIC_BASE_URL) set it asks the real thing; without, a loopback server that
# answers from replies.toml.
#   sh run.sh [FOLDER]      FOLDER/demo becomes the repository, FOLDER/tree the orchestration; temporary by default
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$(mktemp -d)}
python=$here/../../.venv/bin/python    # of `make demo` or `make venv`; else that of PATH
[ -x "$python" ] || python=python3
python=${PYTHON:-$python}

maos_sup() { "$python" -m maos_sup "$@"; }
mine() { git -C "$folder/demo" "$@"; }

mkdir -p "$folder/demo"
if [ ! -d "$folder/demo/.git" ]; then
    mine init -q -b main
    printf 'def greeting():\n    return "Hello, World"\n' > "$folder/demo/hello.py"
    cat > "$folder/demo/test_hello.py" << 'TEST'
import unittest

from hello import greeting


class TestHello(unittest.TestCase):
    def test_it_greets(self):
        self.assertEqual(greeting(), "Hello, World")
TEST
    mine add .
    mine -c user.name=you -c user.email=you@localhost commit -q -m "Begin"
    echo "not committed" > "$folder/demo/notes.txt"
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

maos_sup run "$here/plan.toml" --project "$folder/demo" --dir "$folder/tree" < /dev/null
echo "--- what each changed"
maos_sup diff "$folder/tree"
echo "--- landing: what does not merge is given to the resolver"
maos_sup land "$folder/tree" --check "python3 -m unittest -q" || true
maos_sup resume "$folder/tree" < /dev/null
echo "--- landing again"
maos_sup land "$folder/tree" --check "python3 -m unittest -q"
echo "--- your checkout, as it was"
mine status --short --branch
mine merge -q "$(mine for-each-ref --format='%(refname:short)' 'refs/heads/maos/*/LANDED')"
mine log --oneline --graph
