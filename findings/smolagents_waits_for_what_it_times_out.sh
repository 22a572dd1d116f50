#!/usr/bin/env bash
# smolagents 1.26.0 (PyPI): code of a CodeAgent that takes longer than `timeout_seconds` (30, if nothing is said) is not
# cut short: the agent waits for its end, with all its effects, throws the results away, tells the model that the time was
# exceeded, and asks it to try again. So each such step is paid for and carried out as often as the model tries.
# Guess: at the time-out the code is ended, or, as its docstring says, left to itself, and the agent goes on at once.
set -euo pipefail
version=${SMOLAGENTS_VERSION:-1.26.0}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check uv 2>/dev/null
"$work/venv/bin/uv" pip install --quiet --python "$work/venv/bin/python" "smolagents==$version"

cat > "$work/steps.py" <<'PY'
import importlib.metadata, sys, time
from smolagents import ChatMessage, CodeAgent, MessageRole, Model, tool

paid, told = [], []

@tool
def pay(amount: int) -> str:
    """Pays an amount.

    Args:
        amount: how much
    """
    time.sleep(2)
    paid.append(amount)
    return "paid"

class Loop(Model):
    def generate(self, messages, **_):
        told.append(sum("exceeded the maximum execution time of 1 seconds" in str(message.content) for message in messages))
        code = "final_answer('Done.')" if len(told) == 3 else "pay(5)\npay(6)\nprint('both paid')"
        return ChatMessage(role=MessageRole.ASSISTANT, content=f"Thought: next.\n<code>\n{code}\n</code>")

agent = CodeAgent(tools=[pay], model=Loop(), executor_kwargs={"timeout_seconds": 1}, verbosity_level=-1)
answer = agent.run("Pay 5 and 6.")
seconds = [round(step.timing.duration) for step in agent.memory.steps if hasattr(step, "step_number")]
print(f"smolagents {importlib.metadata.version('smolagents')}, timeout_seconds=1: steps took {seconds} s and paid {paid};")
print(f"questions told of that time-out {told} times; result: {answer}")
slow = all(3 <= taken for taken in seconds[:2])
sys.exit(0 if (slow, paid, told, answer) == (True, [5, 6, 5, 6], [0, 1, 2], "Done.") else "changed")
PY
"$work/venv/bin/python" "$work/steps.py" 2>/dev/null
