#!/bin/sh
# Prints where the newest tree of plan.toml and its report are.
#   sh where.sh [FILE]      only if it is newer than FILE
home=${MAOS_SUP_HOME:-$HOME/.maos-sup}
tree=
for format in $(ls -t "$home"/*/FORMAT 2>/dev/null | tr ' ' '?'); do
    candidate=${format%/FORMAT}
    if [ -n "${1:-}" ] && ! [ "$format" -nt "$1" ]; then
        continue
    fi
    if [ -f "$candidate/spec/files/inventory.sh" ] && [ -f "$candidate/spec/agents/reporter.json" ]; then
        tree=$candidate
        break
    fi
done
if [ -z "$tree" ]; then
    echo "no tree of this plan under $home" >&2
    exit 1
fi
report=$tree/agents/reporter/artifacts/report.md
echo "tree:   $tree"
if [ -f "$report" ]; then
    echo "report: $report"
else
    echo "report: not written yet; go on with: maos-sup resume ${tree##*/}"
fi
