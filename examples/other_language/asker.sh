#!/bin/sh
# Asks the answerer how long some words are, waits for the answers, and says that it is enough.
#
# What was asked is noted in the workspace. An attempt that died before the note asks again: the answers
# are told apart by the word they repeat, so a second answer to the same question is no harm.
set -eu

inbox=$MAOS_DIR/mail/$MAOS_AGENT/answerer.jsonl

control() { eval "printf '%s\\n' \"\$1\" >&$MAOS_CONTROL_FD"; }

answers() {  # the words that whole lines of our mail have answers to, each once
    [ -f "$inbox" ] || return 0
    sed -n 's/.*"type":"reply".*"text":"\([a-z]*\) has .*/\1/p' "$inbox" | sort -u
}

if [ ! -f "$MAOS_WORKSPACE/asked" ]; then
    for word in $WORDS; do
        control "{\"send\":{\"to\":\"answerer\",\"type\":\"request\",\"text\":\"$word\"}}"
    done
    : >"$MAOS_WORKSPACE/asked"
fi

wanted=$(printf '%s\n' $WORDS | sort -u | wc -l)
while [ "$(answers | wc -l)" -lt "$wanted" ]; do
    sleep 0.2
done

last=$(sed -n '$s/^{"seq":\([0-9]*\),.*/\1/p' "$inbox")
control "{\"ack\":{\"$MAOS_AGENT/answerer\":$last}}"
control '{"send":{"to":"answerer","type":"info","text":"enough"}}'
control "{\"result\":{\"answers\":$(answers | wc -l)}}"
sed -n 's/.*"type":"reply".*"text":"\([^"]*\)".*/\1/p' "$inbox" | sort -u
