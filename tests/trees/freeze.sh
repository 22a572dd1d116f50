#!/bin/sh
# How v1/ was made, once, by a real run: one agent died without a word, one asked and was answered, people wrote,
# a task was run again by a second supervisor. Run by nobody: v1/ stands for the trees people have and is never
# made again. A new format gets a folder of its own. What is bound to a host (run/) is not in it.
set -eu
umask 077
cd "$(dirname "$0")"
tree=$PWD/${1:?name of the folder to make}
[ ! -e "$tree" ] || { echo "$tree is there, and stays as it is" >&2; exit 1; }
ended() {
    until maos-sup status "$tree" | grep -q "$1"; do :; done
    until maos-sup status "$tree" | grep -q "no supervisor"; do :; done
}
maos-sup run plan/plan.toml --dir "$tree" --yes --detach
until maos-sup status "$tree" | grep -q "^question"; do :; done
question=$(maos-sup status "$tree" | sed -n 's/^question \([^:]*\):.*/\1/p')
maos-sup send "$tree" bob "publish it, please"
maos-sup answer "$tree" "$question" yes
ended "2 done"
maos-sup send "$tree" all "once more"
maos-sup retry "$tree" --task count
maos-sup resume "$tree" --detach
ended "2 done"
printf '{"seq":9' > "$tree/mail/bob/alice.jsonl.torn-1"
python3 - "$tree" << 'END'
import pathlib, sys
from state_layout.files.journal import Journal
journal = Journal.open(pathlib.Path(sys.argv[1]) / "budget" / "alice.jsonl")
journal.commit("reserve", {"key": "k1", "cost_usd": 0.5, "tokens": 100})
journal.commit("settle", {"key": "k1", "cost_usd": 0.4, "tokens": 90})
END
maos-sup check "$tree"
rm -r "$tree/run"
chmod -R go= "$tree"
