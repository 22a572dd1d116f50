"""One question to a model outside of any orchestration, with a structured answer: for who plans.

    messages      over the Messages API          claude_code   through the Claude Code CLI

No tree, no journal: who asks records what comes (`core.questions` has the question and the answer).
"""
