"""Asks over the Messages API: the form of the answer is a tool that the model has to call.

A forced tool, for every server that speaks the protocol knows tools; a model that answers with JSON in its
text all the same is understood as well. Troubles that pass are waited out for a while, in the open.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait

from maos_sup.agents.kinds.anthropic.events import AnswerEnded, Begun, Whole
from maos_sup.agents.kinds.anthropic.model import Model
from maos_sup.agents.kinds.shared.prices import cost_usd, tokens_of
from maos_sup.agents.kinds.shared.troubles import PERMANENT, Broken, Cause, Trouble, delay_s, in_vain
from maos_sup.agents.once.answers import NoAnswer, object_in
from maos_sup.agents.secrets.redaction import Redactor
from maos_sup.core.questions import ModelAnswer, ModelQuestion

MAX_TOKENS = 16_384
_LOOK_S = 0.2  # how soon an interrupt is seen at the latest
PATIENCE_S = 180.0  # of waits in all; a server that cannot be reached at all is given up sooner
_UNREACHABLE_PATIENCE_S = 6.0


class MessagesAsker:
    """Asks one provider. `tell` shows people what is waited for; `environment` also says what is secret."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        model: str,
        tell: Callable[[str], None],
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Raises BadInput if there is nobody to ask."""
        self._model, self._name = Model(environment), model
        self._redactor, self._tell, self._patience_s = Redactor(environment), tell, patience_s

    def __call__(self, question: ModelQuestion) -> ModelAnswer:
        """Ask, and give the answer. Raises NoAnswer, KeyboardInterrupt.

        Asks from a thread: an interrupt in the midst of a foreign library may be swallowed there, or turned
        into another error; here it finds this thread waiting, and the process may end.
        """
        done: Future[ModelAnswer] = Future()
        threading.Thread(target=self._settle, args=(done, question), name="asking", daemon=True).start()
        while not done.done():
            wait([done], timeout=_LOOK_S)
        return done.result()

    def _settle(self, done: Future[ModelAnswer], question: ModelQuestion) -> None:
        try:
            done.set_result(self._asked(question))
        except BaseException as error:  # noqa: BLE001 - the edge of a thread: who waits raises it
            done.set_exception(error)

    def _asked(self, question: ModelQuestion) -> ModelAnswer:
        body, key = self._body(question), uuid.uuid4().hex
        waited_s, tries, causes = 0.0, 0, Counter[Cause]()
        while True:
            try:
                return self._answer(body, question.name, key)
            except Broken as broken:
                tries += 1
                wait_s = delay_s(broken.trouble, tries, chance=random.random())
                waited_s += wait_s
                causes[broken.trouble.cause] += 1
                last = in_vain(broken.trouble, causes[broken.trouble.cause])
                last = broken.trouble if broken.trouble.cause in PERMANENT else last
                if last is not None or waited_s > self._patience_of(broken.trouble):
                    raise self._no_answer(last or broken.trouble, wait_s) from broken
                self._tell(f"{broken.trouble.text}; asking again in {wait_s:.1f} s")
                time.sleep(wait_s)

    def close(self) -> None:
        """Close the connections."""
        self._model.close()

    def _body(self, question: ModelQuestion) -> dict[str, object]:
        tool = {
            "name": question.name,
            "description": "Gives the answer in the form that is wanted.",
            "input_schema": dict(question.schema),
        }
        return {
            "model": self._name,
            "max_tokens": MAX_TOKENS,
            "system": self._redactor.text(question.system),
            "messages": [{"role": "user", "content": self._redactor.text(question.prompt)}],
            "tools": [tool],
            "tool_choice": {"type": "tool", "name": question.name},
        }

    def _answer(self, body: dict[str, object], form: str, key: str) -> ModelAnswer:
        """Try once, and give the answer. Raises Broken."""
        value, texts, usage, ended = None, dict[int, str](), dict[str, int](), None
        for event in self._model.ask(body, key=key):
            match event:
                case Begun():
                    usage = event.usage
                case Whole() if event.block["type"] == "tool_use" and event.block["name"] == form:
                    value = None if event.bad_input is not None else event.block.get("input")
                case Whole() if event.block["type"] == "text":
                    texts[event.index] = str(event.block.get("text", ""))
                case AnswerEnded():
                    ended, usage = event, {**usage, **event.usage}
        text = "\n".join(texts.values())
        if not isinstance(value, dict):
            value = object_in(text)
        if value is None and ended is not None and ended.stop_reason == "max_tokens":
            text = f"{text}\n[cut off after {MAX_TOKENS} tokens: make it shorter]"
        return ModelAnswer(
            value=value,
            text=text,
            model=self._name,
            tokens=tokens_of(usage),
            cost_usd=cost_usd(self._name, usage, price=None),
        )

    def _patience_of(self, trouble: Trouble) -> float:
        is_unreachable = trouble.cause is Cause.NETWORK and not trouble.was_asked
        return min(self._patience_s, _UNREACHABLE_PATIENCE_S) if is_unreachable else self._patience_s

    def _no_answer(self, trouble: Trouble, wait_s: float) -> NoAnswer:
        remedy = _REMEDIES.get(trouble.status or 0, "try again later; nothing was started")
        if trouble.cause is Cause.LIMIT:
            remedy = f"try again in {wait_s:.0f} s; nothing was started"
        elif trouble.cause is Cause.NETWORK:
            remedy = "see that it runs and that ANTHROPIC_BASE_URL is right; nothing was started"
        return NoAnswer(f"no plan from {self._name} at {self._model.provider}: {trouble.text}; {remedy}")


_REMEDIES = {
    400: "name a model that is there with --model",
    401: "see that ANTHROPIC_API_KEY is right",
    403: "see that ANTHROPIC_API_KEY may use this model",
    404: "name a model that is there with --model, and see that ANTHROPIC_BASE_URL is right",
}
