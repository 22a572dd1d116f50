#!/bin/sh
# Steers an orchestration with nothing but jq and mv: what is wanted is a handful of JSON files.
#   sh edit_with_jq.sh TREE            a tour: pause, raise a limit, go on
#   tree=TREE; . ./edit_with_jq.sh     only the functions, for your own edits:
#       edit spec/agents/todo.json '.want = "pause"'
#       edit spec/tasks/todo.json  '.run += 1'                  # retry
#       edit spec/orchestration.json '.limits.max_agents = 2'
# The supervisor notices within a second. A bad edit is refused, named in the status, and the last good
# version stays in force.

# edit FILE FILTER: run FILTER over FILE of the tree $tree and replace it whole. The command line takes
# the same lock, so that neither edit is lost; an editor that does not is no harm, the last one wins.
edit() {
    file=$tree/$1
    part=${file%/*}/.${file##*/}.tmp-$$
    (
        umask 077
        if command -v flock >/dev/null; then flock 9; fi
        jq "$2" "$file" >"$part" && mv "$part" "$file" || { rm -f "$part"; exit 1; }
    ) 9>>"$tree/spec/.lock" && echo "$1: $2"
}

show() {
    jq -r '"orchestration: \(.phase)",
           (.agents | to_entries[] | "  agent \(.key): \(.value.phase)"),
           (.tasks | to_entries[] | "  task \(.key): \(.value.phase)"),
           (.spec_errors[] | "  refused: \(.text)")' "$tree/supervisor/status.json"
}

# wait_for PHASE [SECONDS]: until the supervisor says so, or it is over
wait_for() {
    left=${2:-20}
    until [ "$(jq -r .phase "$tree/supervisor/status.json")" = "$1" ]; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || { echo "not $1 yet; it was not waited for longer"; return 0; }
        sleep 1
    done
}

tour() {
    echo "== now"; show
    echo "== pause"; edit spec/orchestration.json '.want = "pause"'; wait_for paused; show
    echo "== give each task more time"; edit spec/orchestration.json '.limits.timeout_s += 60'
    echo "== go on"; edit spec/orchestration.json '.want = "run"'; wait_for running; show
}

case ${0##*/} in
edit_with_jq.sh)
    set -eu
    tree=${1:?usage: sh edit_with_jq.sh TREE}
    [ -f "$tree/FORMAT" ] || { echo "$tree: not a tree: it has no FORMAT file" >&2; exit 10; }
    tour
    ;;
esac
