# The first attempt dies without a word; the second finishes.
echo "found: a beginning"
echo '{"send": {"to": "bob", "text": "one"}}' >&3
echo '{"checkpoint": {"seen": 1}}' >&3
if [ "$MAOS_RESUMED" = 0 ]; then
    sleep 0.6
    kill -9 $PPID
    sleep 5
fi
echo '{"send": {"to": "bob", "text": "two", "type": "request"}}' >&3
echo '{"send": {"to": "all", "body": {"files": 3}}}' >&3
echo '{"progress": 0.5, "note": "half way"}' >&3
echo '{"artifact": "count.txt"}' >&3
echo 3 > "$MAOS_ARTIFACTS/count.txt"
echo "count.txt" >&2
maos-sup agent inbox --ack
echo '{"result": 3}' >&3
