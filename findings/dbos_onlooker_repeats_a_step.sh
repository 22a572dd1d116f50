#!/usr/bin/env bash
# DBOS 3.4.0 (PyPI): a second process of the same app, started to look at the workflows while the first is in the middle
# of a step, takes the workflow for one that needs recovery: the first process carries the step out a second time, and
# the result of the first time, which ended well, is thrown away. Nothing is raised, printed or logged as an error. Two
# processes with executor ids of their own (`executor_id` in the configuration) do not disturb each other.
# Guess: a workflow that a living process runs is left alone, as the process that started it still holds it.
set -euo pipefail
version=${DBOS_VERSION:-3.4.0}
work=$(mktemp -d)
trap 'kill "${first:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check "dbos==$version" 2>/dev/null

cat > "$work/app.py" <<'PY'
import os, sys, time
from dbos import DBOS, SetWorkflowID
folder, role, executor = sys.argv[1:]
DBOS(config={"name": "app", "system_database_url": f"sqlite:///{folder}/app.sqlite", "run_admin_server": False,
             "log_level": "ERROR"} | ({"executor_id": executor} if executor else {}))

@DBOS.step()
def charge():
    with open(f"{folder}/charged", "a") as ledger:
        ledger.write("once\n")
    for _ in range(600):  # in the middle of the step until the other process has been and gone
        if os.path.exists(f"{folder}/gone"):
            return sum(1 for _ in open(f"{folder}/charged"))
        time.sleep(0.1)

@DBOS.workflow()
def order():
    return charge()

DBOS.launch()
if role == "first":
    with SetWorkflowID("order"):
        handle = DBOS.start_workflow(order)
    print("the step's result is that of time", handle.get_result())
else:
    time.sleep(3)
    print("the onlooker sees", [(each.workflow_id, each.status) for each in DBOS.list_workflows()])
DBOS.destroy()
PY
run() {  # run FIRST_EXECUTOR SECOND_EXECUTOR: how often the step was carried out
    rm -f "$work"/app.sqlite* "$work/charged" "$work/gone"
    timeout 120 "$work/venv/bin/python" "$work/app.py" "$work" first "$1" &
    first=$!
    until [ -s "$work/charged" ]; do kill -0 "$first"; sleep 0.1; done
    timeout 120 "$work/venv/bin/python" "$work/app.py" "$work" onlooker "$2"
    touch "$work/gone"
    wait "$first"
    times=$(wc -l <"$work/charged")
    echo "dbos $version, executors '$1' and '$2': the step was carried out $times time(s)"
}
run "" ""
[ "$times" -eq 2 ]
run one two
[ "$times" -eq 1 ]
