"""A server on loopback that says what a script tells it to, in the words of the API it is asked by.

It speaks the Messages API, OpenAI's Responses and chat completions, and Gemini's generateContent.

For tests, for examples that run offline, for trying out plans without a key:

    python -m maos_sup.loopback --script replies.toml --port 0 --log requests.jsonl

It holds no state that a conversation depends on: which reply comes next is read from the conversation in the
request, as with the real API. So it may be restarted at any time, and a request made twice is answered alike.
Never a proxy: it opens no connection to anywhere. A leaf: imports nothing of ours but the codec.
"""
