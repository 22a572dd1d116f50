#!/bin/sh
# Runs plan.toml on this repository, and prints where the tree that it made and its report are.
here=$(cd "$(dirname "$0")" && pwd)
python=$here/../../.venv/bin/python
[ -x "$python" ] || python=python3

begun=$(mktemp) || exit 1
trap 'rm -f "$begun"' EXIT
status=0
"${PYTHON:-$python}" -m maos_sup run "$here/plan.toml" --yes || status=$?
sh "$here/where.sh" "$begun"
exit $status
