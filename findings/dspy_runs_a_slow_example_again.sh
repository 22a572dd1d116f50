#!/usr/bin/env bash
# DSPy 3.4.1 (PyPI): `dspy.Parallel` (and `dspy.Evaluate`, where it cannot be set) has a `timeout` of 120 s that ends and
# fails nothing: as soon as three examples or fewer are left, each that has run for longer is begun a second time beside
# the first, and a third time after as long again. The first result counts, the others are carried out, paid for, and
# thrown away, without a word. An agent of some minutes is so run several times at once; `timeout=0` turns it off.
# Guess: an example is run once, and fails at the time-out.
set -euo pipefail
version=${DSPY_VERSION:-3.4.1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check uv 2>/dev/null
"$work/venv/bin/uv" pip install --quiet --python "$work/venv/bin/python" "dspy==$version"

cat > "$work/examples.py" <<'PY'
import importlib.metadata, inspect, sys, time
import dspy
from dspy.utils.parallelizer import ParallelExecutor

begun, ended = [], []

class Program(dspy.Module):
    def forward(self, n):
        begun.append(n)
        time.sleep(5 if n == 1 else 0)
        ended.append(n)
        return dspy.Prediction(answer=n)

def run(timeout):
    begun.clear(), ended.clear()
    examples = [(Program(), dspy.Example(n=n).with_inputs("n")) for n in range(4)]
    results = dspy.Parallel(num_threads=4, timeout=timeout, disable_progress_bar=True)(examples)
    while len(ended) < len(begun):
        time.sleep(0.1)
    return [result.answer for result in results], begun.count(1), ended.count(1), len(begun)

default = inspect.signature(ParallelExecutor.__init__).parameters["timeout"].default
settable = "timeout" in inspect.signature(dspy.Evaluate.__init__).parameters
slow, off = run(2), run(0)
print(f"dspy {importlib.metadata.version('dspy')}: if nothing is said the timeout is {default} s; dspy.Evaluate can set it: {settable}")
print(f"timeout=2: results {slow[0]}; the example of 5 s was begun {slow[1]} times and ended {slow[2]} times; in all {slow[3]} runs")
print(f"timeout=0: results {off[0]}; begun {off[1]}, ended {off[2]}, in all {off[3]} runs")
again = slow[1]  # 3, or 2 where a busy machine looks late
wanted = ((120, False), ([0, 1, 2, 3], again, again, again + 3), ([0, 1, 2, 3], 1, 1, 4))
sys.exit(0 if again > 1 and ((default, settable), slow, off) == wanted else "changed")
PY
cd "$work"
DSPY_CACHEDIR="$work/cache" "$work/venv/bin/python" "$work/examples.py" 2>"$work/err" || { cat "$work/err"; exit 1; }
