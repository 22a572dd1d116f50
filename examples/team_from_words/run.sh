#!/bin/sh
# Has a team planned for a request in words, lets it work on a small git repository, and kills everything twice.
# With ANTHROPIC_API_KEY (or ANTHROPIC_BASE_URL) set it asks the real thing; without, a loopback server that answers
# from replies.toml.
#   sh run.sh [FOLDER]      FOLDER/demo becomes the repository, FOLDER/tree the orchestration; temporary by default
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$(mktemp -d)}
python=$here/../../.venv/bin/python    # of `make demo` or `make venv`; else that of PATH
[ -x "$python" ] || python=python3
python=${PYTHON:-$python}
request=${REQUEST:-"Add a function slugify(text) to this repository in slug.py, with tests and a page about it"}
mark=$$-$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')

maos_sup() { TEAM_FROM_WORDS="$mark" "$python" -m maos_sup "$@"; }

mkdir -p "$folder/demo"
if [ ! -d "$folder/demo/.git" ]; then
    git -C "$folder/demo" init -q
    echo "# Demo" > "$folder/demo/README.md"
    git -C "$folder/demo" add README.md
    git -C "$folder/demo" -c user.name=you -c user.email=you@localhost commit -q -m "Begin"
fi

if [ -z "${ANTHROPIC_API_KEY:-}${ANTHROPIC_AUTH_TOKEN:-}${ANTHROPIC_BASE_URL:-}" ]; then
    "$python" -m maos_sup.loopback --script "$here/replies.toml" --url-file "$folder/url" \
        --log "$folder/requests.jsonl" > "$folder/server.log" &
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

# How many answers of agents are on record.
answers() {
    cat "$folder"/tree/agents/*/attempts/*/journal.jsonl 2> /dev/null | grep -c '"type":"turn".*"role":"assistant"' || true
}

# Whether it ended before it could be killed; the phase of the whole comes first in the file.
is_over() {
    grep -o '"phase": *"[a-z]*"' "$folder/tree/supervisor/status.json" 2> /dev/null | head -1 | grep -q 'done\|failed'
}

marked() {
    for process in /proc/[0-9]*; do
        if grep -qzs "^TEAM_FROM_WORDS=$mark\$" "$process/environ"; then
            echo "${process#/proc/}"
        fi
    done
}

# kill -9 of the supervisor, the agents and all that they started, until nothing is left.
kill_everything() {
    while pids=$(marked) && [ -n "$pids" ]; do
        kill -9 $pids 2> /dev/null || true
    done
    echo "killed everything after $(answers) answers"
}

maos_sup run "$request" --project "$folder/demo" --dir "$folder/tree" --yes --detach
for goal in 2 6; do
    until [ "$(answers)" -ge "$goal" ] || is_over; do
        sleep 0.1
    done
    kill_everything
    maos_sup resume "$folder/tree" --detach
done
maos_sup resume "$folder/tree"
git -C "$folder/demo" log --stat --oneline
