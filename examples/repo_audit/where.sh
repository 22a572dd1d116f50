#!/bin/sh
# Prints where the newest tree and its report are.
home=${MAOS_SUP_HOME:-$HOME/.maos-sup}
newest=$(ls -t "$home"/*/FORMAT 2>/dev/null | head -n 1)
if [ -z "$newest" ]; then
    echo "no tree under $home" >&2
    exit 1
fi
tree=${newest%/FORMAT}
report=$tree/agents/reporter/artifacts/report.md
echo "tree:   $tree"
if [ -f "$report" ]; then
    echo "report: $report"
else
    echo "report: not written yet; go on with: maos-sup resume ${tree##*/}"
fi
