#!/bin/sh
# Finds the notes that say TODO, FIXME, XXX or HACK, and says where they are.
#
# Runs in the project's folder and changes nothing there. The whole list becomes an artifact; the first
# MAX_FOUND of them are told to everybody. Runs by hand too: cd some/project && sh todo.sh
set -eu

workspace=${MAOS_WORKSPACE:-$(mktemp -d)}
max_found=${MAX_FOUND:-20}
# A note is the word followed by a colon, a bracket or a blank, as in the comments of most languages.
pattern='(^|[^[:alnum:]_])(TODO|FIXME|XXX|HACK)(:|\(|[[:space:]])'

control() {
    [ -z "${MAOS_CONTROL_FD:-}" ] || eval "printf '%s\\n' \"\$1\" >&$MAOS_CONTROL_FD"
}

search() {  # path:line:text; no match is no error
    if git rev-parse --git-dir >/dev/null 2>&1; then
        git grep -nIE --untracked -e "$pattern" || [ $? -eq 1 ]
    else
        grep -rnIE --exclude-dir=.git --exclude-dir=.venv --exclude-dir=node_modules -e "$pattern" . || [ $? -eq 1 ]
    fi
}

control '{"progress":0.2,"note":"searching"}'
search >"$workspace/notes.part"
cut -c 1-300 "$workspace/notes.part" >"$workspace/notes.txt"
sleep "${PACE_S:-0}"

control '{"progress":0.7,"note":"telling"}'
awk -v max="$max_found" '
    NR <= max {
        gsub(/[\001-\037\177]/, " ")
        where = $0; sub(/^[^:]*:[0-9]*/, "", where); where = substr($0, 1, length($0) - length(where))
        note = substr($0, length(where) + 2); match(note, /TODO|FIXME|XXX|HACK/)
        print "found: " where " " substr(note, RSTART, 80)
    }
    END { if (NR > max) print "found: " NR - max " more notes; the list is in todo.txt" }
' "$workspace/notes.txt"
sleep "${PACE_S:-0}"

if [ -n "${MAOS_DIR:-}" ] && [ -s "$workspace/notes.txt" ]; then
    mkdir -p "$MAOS_DIR/agents/$MAOS_AGENT/artifacts"
    cp "$workspace/notes.txt" "$MAOS_DIR/agents/$MAOS_AGENT/artifacts/todo.txt"
    control '{"artifact":"todo.txt"}'
fi

result=$(awk '
    match($0, /TODO|FIXME|XXX|HACK/) { count[substr($0, RSTART, RLENGTH)]++; path = $0; sub(/:.*/, "", path); files[path] }
    END {
        for (path in files) in_files++
        printf "{\"notes\":%d,\"files\":%d,\"todo\":%d,\"fixme\":%d,\"xxx\":%d,\"hack\":%d}",
            NR, in_files, count["TODO"], count["FIXME"], count["XXX"], count["HACK"]
    }' "$workspace/notes.txt")
control "{\"result\":$result}"
echo "$result"
