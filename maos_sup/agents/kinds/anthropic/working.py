"""Works on one task: lays out what is needed, recalls the conversation, goes on with it, clears up."""

from __future__ import annotations

from maos_sup.agents.endings import WorkOutcome
from maos_sup.agents.kinds.anthropic.asking import Asking
from maos_sup.agents.kinds.anthropic.desk import ConversationDesk, all_variables
from maos_sup.agents.kinds.anthropic.loop import TalkLoop
from maos_sup.agents.kinds.anthropic.model import Model
from maos_sup.agents.kinds.anthropic.recalling import recall_conversation
from maos_sup.agents.kinds.anthropic.settings import Settings
from maos_sup.agents.kinds.anthropic.spending import ConversationSpending
from maos_sup.agents.kinds.anthropic.using import Using
from maos_sup.agents.secrets.redaction import Redactor
from maos_sup.agents.work import Work
from maos_sup.agents.workplace.confinement import tell_bounds
from state_layout.errors import BadInput
from state_layout.files.looking import is_dir
from state_layout.lives.history import run_key


def work_on(work: Work) -> WorkOutcome:
    """Talk until the task is done or is to end. Raises BadInput, Damaged, StorageError."""
    settings = Settings.of(work.spec)
    variables = all_variables(work)
    model = Model(variables, base_url=settings.base_url, stall_s=settings.stall_s)
    if work.life.project is not None and not is_dir(work.folder()):
        name = work.life.project.name
        raise BadInput(f"project {name!r} is not there; point to it with 'maos-sup resume --project'")
    work.lay_out()
    run = run_key(work.task.id, work.task.run)
    begun = work.life.recorder.look(lambda history: history.begun.get(run))
    talk = recall_conversation(work.life.tree, work.life.agent, work.task, begun=begun)
    desk = ConversationDesk(work=work, settings=settings, talk=talk, redactor=Redactor(variables))
    tell_bounds(work, desk.bounds, confined=desk.sandbox.kind)
    spending = ConversationSpending(work, settings)
    try:
        spending.settle_old(talk)
        plain = settings.plain_tools if settings.plain_tools is not None else not model.is_anthropic
        return TalkLoop(desk, Asking(desk, model, spending), Using(desk, plain=plain)).run()
    finally:
        spending.close()
        desk.inbox.close()
        model.close()
