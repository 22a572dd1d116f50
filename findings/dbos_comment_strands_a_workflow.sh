#!/usr/bin/env bash
# DBOS 3.4.0 (PyPI): a process is killed in a workflow and started again. If only a comment inside the workflow was edited
# meanwhile, the workflow stays PENDING, and nothing says so: the version of the app, which recovery asks for, is made of
# the text of its workflows. If a step was rewritten, the version is the same: the workflow goes on, with a result of the
# old step and one of the new. `application_version` in the configuration sets the version by hand.
# Guess: comments do not count, and a changed step does; or who waits for another version is named in the log.
set -euo pipefail
version=${DBOS_VERSION:-3.4.0}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check uv 2>/dev/null
"$work/venv/bin/uv" pip install --quiet --python "$work/venv/bin/python" "dbos==$version"

cat > "$work/old.py" <<'PY'
import os, sys, time
from dbos import DBOS, SetWorkflowID
folder, role = sys.argv[1:]
DBOS(config={"name": "app", "system_database_url": f"sqlite:///{folder}/app.sqlite", "run_admin_server": False,
             "log_level": "WARNING"})

@DBOS.step()
def price(item):
    return f"{item}: old price"

@DBOS.step()
def pause():
    if role == "first":
        os._exit(9)

@DBOS.workflow()
def order():
    # both prices belong to one order
    first = price("one")
    pause()
    return f"{first}, {price('two')}"

DBOS.launch()
if role == "first":
    with SetWorkflowID("order"):
        DBOS.start_workflow(order).get_result()
for _ in range(100):
    (seen,) = DBOS.list_workflows()
    if seen.status == "SUCCESS":
        break
    time.sleep(0.1)
print(f"{seen.status} ({seen.output})")
DBOS.destroy()
PY
sed 's/# both prices belong to one order/# the prices of one order/' "$work/old.py" >"$work/comment.py"
sed 's/old price/new price/' "$work/old.py" >"$work/step.py"
again() {  # again APP: killed as old.py, then started again as APP
    rm -f "$work"/app.sqlite*
    timeout 60 "$work/venv/bin/python" "$work/old.py" "$work" first || true
    timeout 60 "$work/venv/bin/python" "$work/$1.py" "$work" again 2>"$work/err"
}
same=$(again old)
comment=$(again comment)
said=$(wc -l <"$work/err")
step=$(again step)
echo "dbos $version, started again unchanged: $same; with another comment: $comment, lines of warnings: $said;"
echo "with another step: $step"
[ "$same" = "SUCCESS (one: old price, two: old price)" ] && [ "$comment" = "PENDING (None)" ] && [ "$said" = 0 ] &&
    [ "$step" = "SUCCESS (one: old price, two: new price)" ] || { cat "$work/err"; echo "changed"; exit 1; }
