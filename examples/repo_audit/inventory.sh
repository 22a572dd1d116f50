#!/bin/sh
# Counts the files, lines, bytes and languages of a project.
#
# Runs in the project's folder and changes nothing there. Each stage leaves its result in the workspace,
# whole or not at all, so that a later attempt begins where this one ended. Runs by hand too:
#   cd some/project && sh inventory.sh
set -eu

workspace=${MAOS_WORKSPACE:-$(mktemp -d)}

control() {  # one line for the agent; the descriptor is a file opened for append
    [ -z "${MAOS_CONTROL_FD:-}" ] || eval "printf '%s\\n' \"\$1\" >&$MAOS_CONTROL_FD"
}

pace() { sleep "${PACE_S:-0}"; }

finished() { [ -s "$workspace/$1" ]; }

list() {  # the project's files, each ended by NUL: tracked and new ones, not the ignored ones
    git ls-files -z --cached --others --exclude-standard 2>/dev/null ||
        find . -type f ! -path './.git/*' ! -path './.venv/*' ! -path '*/node_modules/*' -print0
}

measure() {  # lines, bytes and ./name of each file; without the line "total" that wc adds for each batch
    list | sort -zu | sed -z 's,^\(\./\)*,./,' | xargs -0r wc -lc 2>/dev/null | grep -v ' total$'
}

if ! finished sizes; then
    control '{"progress":0.1,"note":"measuring files"}'
    { measure || true; echo end; } >"$workspace/sizes.part"
    mv "$workspace/sizes.part" "$workspace/sizes"
    pace
fi

if ! finished result.json; then
    control '{"progress":0.5,"note":"sorting by language"}'
    awk '
    BEGIN {
        split("py Python pyi Python sh Shell bash Shell pl Perl pm Perl js JavaScript mjs JavaScript " \
              "ts TypeScript tsx TypeScript jsx JavaScript c C h C cc C++ cpp C++ hpp C++ rs Rust go Go " \
              "java Java kt Kotlin rb Ruby php PHP cs C# swift Swift scala Scala lua Lua r R jl Julia " \
              "sql SQL html HTML css CSS scss CSS md Markdown rst reStructuredText txt Text json JSON " \
              "toml TOML yaml YAML yml YAML xml XML awk Awk tf Terraform ipynb Notebook", pair, " ")
        for (i = 1; i in pair; i += 2) name[pair[i]] = pair[i + 1]
    }
    function text(s) {                  # as a JSON string
        gsub(/\\/, "\\\\", s); gsub(/"/, "\\\"", s); gsub(/[\001-\037]/, "?", s)
        return "\"" s "\""
    }
    function language(path,    base, parts, n) {
        n = split(path, parts, "/"); base = parts[n]
        if (base == "Makefile") return "Make"
        if (base == "Dockerfile") return "Docker"
        n = split(tolower(base), parts, ".")
        return n > 1 && parts[n] in name ? name[parts[n]] : "other"
    }
    $0 == "end" { next }
    {
        path = $0; sub(/^ *[0-9]+ +[0-9]+ (\.\/)?/, "", path)
        l = language(path)
        files++; lines += $1; bytes += $2
        files_of[l]++; lines_of[l] += $1; bytes_of[l] += $2
        for (i = 10; i > 0 && $2 > big[i]; i--) {          # the ten largest, largest first
            big[i + 1] = big[i]; which[i + 1] = which[i]; big[i] = $2; which[i] = path
        }
    }
    END {
        printf "{\"files\":%d,\"lines\":%d,\"bytes\":%.0f,\"languages\":{", files, lines, bytes
        for (l in files_of) {
            printf "%s%s:{\"files\":%d,\"lines\":%d,\"bytes\":%.0f}", comma, text(l), files_of[l], lines_of[l], bytes_of[l]
            comma = ","
        }
        printf "},\"largest\":["
        for (i = 1; i <= 10 && i in big && big[i] > 0; i++)
            printf "%s{\"path\":%s,\"bytes\":%.0f}", (i > 1 ? "," : ""), text(which[i]), big[i]
        print "]}"
    }' "$workspace/sizes" >"$workspace/result.part"
    mv "$workspace/result.part" "$workspace/result.json"
    pace
fi

control '{"progress":0.9,"note":"telling the reporter"}'
summary=$(sed 's/^{"files":\([0-9]*\),"lines":\([0-9]*\),"bytes":\([0-9]*\).*/\1 files, \2 lines, \3 bytes/' "$workspace/result.json")
echo "found: $summary"
control "{\"send\":{\"to\":\"reporter\",\"type\":\"info\",\"text\":\"inventory: $summary\"}}"
control "{\"result\":$(cat "$workspace/result.json")}"
