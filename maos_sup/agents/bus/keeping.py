"""The tools for what lasts: values under keys, alone or shared with others, whoever calls them.

Text for a model, and the effects of one journal line; `attempt.shared` knows who may and where it goes.
"""

from __future__ import annotations

from typing import Any

from maos_sup.agents.attempt.shared import REDACTED, Asker, KeptValue
from maos_sup.agents.bus.scene import BadCall, CallScene, Result, VerbCall
from state_layout.files import codec
from state_layout.scopes.lines import version_of
from state_layout.scopes.names import Scope
from state_layout.scopes.store import ANY_VERSION


def save_state(scene: CallScene, call: VerbCall) -> Result:
    """Keep a value under a key. Raises BadCall, BadInput."""
    scope, key = _scope(scene, call), call.text("key")
    if "value" not in call.input:
        raise BadCall("'value' is missing; give any JSON, or use delete_state")
    kept = scene.recorder.shared.save(
        scope, key, call.input["value"], asker_of(scene, call), over=_over(call)
    )
    return _written(kept, f"saved {key!r}", scope)


def delete_state(scene: CallScene, call: VerbCall) -> Result:
    """Leave a key without a value. Raises BadCall, BadInput."""
    scope, key = _scope(scene, call), call.text("key")
    kept = scene.recorder.shared.forget(scope, key, asker_of(scene, call), over=_over(call))
    if kept is None:
        return Result(text=f"nothing is kept under {key!r}{_where(scope)}", is_error=True)
    return _written(kept, f"deleted {key!r}", scope)


def load_state(scene: CallScene, call: VerbCall) -> Result:
    """Give a kept value, of a shared scope with its version; without a key the keys. Raises BadCall."""
    if call.input.get("key") is None:
        return list_state(scene, call)
    scope, key = _scope(scene, call), call.text("key")
    kept = scene.recorder.shared.load(scope, key, asker_of(scene, call))
    if kept is None:
        return Result(text=f"nothing is kept under {key!r}{_where(scope)}", is_error=True)
    told: Any = kept.value
    if scope.is_shared:
        told = {"value": kept.value, "version": None if kept.version is None else str(kept.version)}
    return Result(text=codec.encode(told).decode(), effects=kept.effects)


def list_state(scene: CallScene, call: VerbCall) -> Result:
    """Give the keys of a scope that begin with a prefix. Raises BadCall."""
    scope, prefix = _scope(scene, call), call.text("prefix", default="")
    kept = scene.recorder.shared.keys(scope, prefix, asker_of(scene, call))
    return Result(text=codec.encode(kept.value).decode(), effects=kept.effects)


def asker_of(scene: CallScene, call: VerbCall) -> Asker:
    """Say for which work the call is made; a repetition of it has the same token."""
    task = scene.task
    return Asker(task=task.id, run=task.run, step=call.id, token=f"{task.id}#{task.run}/{call.token}")


def _scope(scene: CallScene, call: VerbCall) -> Scope:
    return scene.recorder.shared.scope(call.text("scope", default="agent"), scene.task.id)


def _over(call: VerbCall) -> Any:
    return version_of(call.input["if_version"]) if "if_version" in call.input else ANY_VERSION


def _where(scope: Scope) -> str:
    return f" in {scope}" if scope.is_shared else ""


def _written(kept: KeptValue, done: str, scope: Scope) -> Result:
    if kept.lost is not None:
        return Result(text=kept.lost, is_error=True, effects={"lost": True})
    text = done + _where(scope)
    if kept.version is not None:
        text += f", version {kept.version}"
    if kept.is_redacted:
        text += f"; {REDACTED}"
    effects = dict(kept.effects)
    if kept.version is not None:
        effects["version"] = list(kept.version)
    return Result(text=text, effects=effects)
