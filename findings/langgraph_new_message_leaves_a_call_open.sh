#!/usr/bin/env bash
# langchain 1.5.2 (create_agent) on langgraph 1.2.24 with its SqliteSaver, durability="sync": the process is killed while
# a tool runs. get_state says that "tools" is next. A new message on that thread does not go on from there: the tool is
# not run, the model is asked with a call that has no result (which OpenAI and Anthropic refuse with a 400), and so it
# stays in the thread. invoke(None) first runs the tool again, and all is well.
# Guess: what is next is done first, then the message is told; or the message is refused while something is under way.
set -euo pipefail
version=${LANGCHAIN_VERSION:-1.5.2}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check uv 2>/dev/null
"$work/venv/bin/uv" pip install --quiet --python "$work/venv/bin/python" "langchain==$version" \
    "langgraph==${LANGGRAPH_VERSION:-1.2.24}" langgraph-checkpoint-sqlite==3.1.2 2>/dev/null

cat > "$work/turn.py" <<'PY'
import os, sys
from langchain.agents import create_agent
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite import SqliteSaver
file, what = sys.argv[1:]

class Loop(BaseChatModel):
    @property
    def _llm_type(self): return "loop"
    def bind_tools(self, *_, **__): return self
    def _generate(self, messages, **_):
        if what != "first":
            results = {message.tool_call_id for message in messages if message.type == "tool"}
            calls = {call["id"] for message in messages if message.type == "ai" for call in message.tool_calls}
            print("asked", *[message.type for message in messages], "open", len(calls - results))
        call = {"id": "c1", "name": "charge", "args": {}}
        answer = AIMessage("", tool_calls=[call]) if len(messages) == 1 else AIMessage("Done.")
        return ChatResult(generations=[ChatGeneration(message=answer)])

@tool
def charge() -> str:
    "Charge the card."
    print("charged")
    if what == "first":
        sys.stdout.flush()
        os._exit(9)
    return "charged"

with SqliteSaver.from_conn_string(file) as saver:
    agent, thread = create_agent(Loop(), [charge], checkpointer=saver), {"configurable": {"thread_id": "one"}}
    if what == "first":
        agent.invoke({"messages": [("user", "Charge it.")]}, thread, durability="sync")
    print("next", *agent.get_state(thread).next)
    if what == "none":
        agent.invoke(None, thread, durability="sync")
    for _ in range(1 if what == "none" else 2):
        agent.invoke({"messages": [("user", "And now?")]}, thread, durability="sync")
PY
turn() { "$work/venv/bin/python" "$work/turn.py" "$work/$1" "$2" | paste -sd, || true; }
echo "langchain $version: killed in the tool: $(turn a first)"
message=$(turn a message)
echo "then two messages: $message"
echo "another thread, killed in the tool: $(turn b first)"
none=$(turn b none)
echo "then invoke(None) and a message: $none"
[ "$message" = "next tools,asked human ai human open 1,asked human ai human ai human open 1" ] &&
    [ "$none" = "next tools,charged,asked human ai tool open 0,asked human ai tool ai human open 0" ]
