#!/bin/sh
# Makes a small git repository with a slow program, has the team of plan.toml make it fast in three ways, and shows which
# one was taken. With ANTHROPIC_API_KEY (or ANTHROPIC_BASE_URL) set it asks the real thing; without, a loopback server
# that answers from replies.toml.
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
    cat > "$folder/demo/primes.py" << 'SLOW'
def total(limit):
    return sum(n for n in range(2, limit) if all(n % other for other in range(2, n)))
SLOW
    cat > "$folder/demo/test_primes.py" << 'TEST'
import unittest

from primes import total


class TestTotal(unittest.TestCase):
    def test_small(self):
        self.assertEqual([total(limit) for limit in (0, 2, 3, 10, 100)], [0, 0, 2, 17, 1060])
TEST
    cat > "$folder/demo/score.py" << 'SCORE'
import time

from primes import total

began, count = time.perf_counter(), 0
while time.perf_counter() - began < 0.5:
    total(20_000)
    count += 1
print(round(count / (time.perf_counter() - began), 2))
SCORE
    mine add .
    mine -c user.name=you -c user.email=you@localhost commit -q -m "Begin"
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
echo "--- which one was taken, and why"
maos_sup logs "$folder/tree" coder | grep "took over" || true
echo "--- what each changed"
maos_sup diff "$folder/tree"
echo "--- landing"
maos_sup land "$folder/tree" --check "python3 -m unittest -q"
