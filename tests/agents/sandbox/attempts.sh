# What a confined command may try: each attempt is harmless, and names itself in $MAOS_WORKSPACE/reached where
# it came through. Run by test_confined_attempts.py for each kind under each sandbox. Wants OUT (a folder outside with a
# file `private`), TTY (a terminal of the user's), INSTALL (our package), PID (a process outside).
exec 2> /dev/null
reached() { echo "$1" >> "$MAOS_WORKSPACE/reached"; }
echo begun > "$MAOS_WORKSPACE/reached"

touch "$OUT/made" && reached "a file outside"
cat "$OUT/private" && reached "a private file"
ln -s "$OUT" "$MAOS_WORKSPACE/link" && touch "$MAOS_WORKSPACE/link/made" && reached "a file outside by a link"
cat "/proc/$PID/root$OUT/private" && reached "a private file by the root of another process"
cat "/proc/$PID/cwd/pyproject.toml" && reached "the folder of another process"
[ "$(tr '\0' '\n' < "/proc/$PID/environ" | grep -c .)" -gt 0 ] && reached "the environment of another process"
kill -0 "$PID" && reached "a process outside"
kill -0 "$(cut -d' ' -f4 /proc/self/stat)" && : # the own parent may be there
echo '{"text":"forged"}' >> "$MAOS_DIR/mail/bob/operator.jsonl" && reached "mail in the name of the operator"
echo '{}' >> "$MAOS_DIR/mail/bob/ann.jsonl" && reached "mail of its own"
echo '{}' >> "$MAOS_DIR/budget/ann.jsonl" && reached "the budget"
echo ' ' >> "$MAOS_DIR/spec/orchestration.json" && reached "the plan"
touch "$MAOS_DIR/spec/approvals/ann-0123456789ab.yes" && reached "an approval"
touch "$MAOS_DIR/spec/tasks/evil.json" && reached "a task"
echo '{}' >> "$MAOS_DIR/agents/ann/attempts/0001/journal.jsonl" && reached "its own journal"
touch "$MAOS_DIR/agents/bob/workspace/made" && reached "the workspace of another agent"
touch "$MAOS_DIR/supervisor/lock" && reached "the lock of the supervisor"
mv "$MAOS_DIR" "$MAOS_DIR.away" && reached "the place of the tree"
printf 'x' > "$TTY" && reached "a terminal of the user"
touch "$INSTALL/planted.py" && reached "the installation"
touch "$HOME/.maos-sup-planted" && reached "the home of the user"
mount -o remount,bind,rw / && touch "$OUT/made" && reached "another mount"
true
