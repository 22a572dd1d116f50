#!/usr/bin/env bash
# Each result of orjson.dumps keeps at least four kilobytes from 3.12 on (one kilobyte before), however short it is: who
# keeps encoded lines (a queue of events, a cache of records) holds thirty times their length. A join or a sum makes one
# of its length; bytes(result) is the same object. Guess: a result keeps its length and the 33 bytes of a bytes object.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/keep.py" <<'PY'
import sys, tracemalloc, orjson
record = {"seq": 7, "at": "2026-01-01T00:00:00.000000Z", "type": "message", "text": "x" * 80}
orjson.dumps(record)
def kept(make):
    tracemalloc.start()
    results = [make() for _ in range(1000)]
    held = tracemalloc.get_traced_memory()[0] // len(results)
    tracemalloc.stop()
    return held
direct, copied = kept(lambda: orjson.dumps(record)), kept(lambda: b"".join((orjson.dumps(record), b"\n")))
length = len(orjson.dumps(record))
print(f"orjson {orjson.__version__}: a result of {length} bytes keeps {direct}, joined with a line feed {copied}")
assert int(sys.argv[1]) <= direct < int(sys.argv[1]) + 128, "another behaviour than the one that is written down"
assert copied < 2 * length + 64
PY
for each in 3.11.9:1024 3.12.0:4096 3.13.0:4096; do
    python3 -m venv "$work/${each%:*}"
    "$work/${each%:*}/bin/pip" install --quiet --disable-pip-version-check "orjson==${each%:*}"
    "$work/${each%:*}/bin/python" "$work/keep.py" "${each#*:}"
done
