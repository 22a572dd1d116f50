"""Bring a copy that was taken file by file to one consistent moment, before anybody starts in it.

Such a copy holds agents that have read mail which nobody in it has sent, and mail whose sender has not
written it yet: the files were read at different times. Agents go back to where they knew nothing of that,
and mail of lines that are not there is set aside. Doing it twice changes nothing the second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from maos_sup.cuts.carry_out import carry_out
from maos_sup.cuts.rewind import MailMove, Rewind, agent_moves, mail_moves, next_void
from maos_sup.cuts.shared import StateMove, last_lines, moves_back
from maos_sup.cuts.take import agents_of, needs_of
from maos_sup.cuts.traces import Moment, TeamReader, is_mail_box
from state_layout.files.locks import is_free
from state_layout.lives.leases import have_moved
from state_layout.paths import Tree
from state_layout.records import Specs


@dataclass(frozen=True, slots=True, kw_only=True)
class Mending:
    """Tells what has to be done to a copy; nothing, if neither an agent nor a file has to go back."""

    moment: Moment
    mail: tuple[MailMove, ...]
    state: tuple[StateMove, ...] = ()

    @property
    def is_needed(self) -> bool:
        """Something has to be done."""
        return bool(self.moment.cut.lowered or self.mail or self.state)

    def notes(self) -> list[str]:
        """Tell people what is done: a line for each agent that goes back, one for all mail, one for state."""
        lines = [
            f"{agent} goes back by {count} {'line' if count == 1 else 'lines'}: it knew of what nobody in "
            "this copy has done yet; what it did since is done again"
            for agent, count in sorted(self.moment.cut.lowered.items())
        ]
        if self.mail:
            files = "1 mail file" if len(self.mail) == 1 else f"{len(self.mail)} mail files"
            lines.append(f"{files}: messages that their senders have not written in this copy were set aside")
        if self.state:
            files = "1 file" if len(self.state) == 1 else f"{len(self.state)} files"
            lines.append(f"{files} of shared state: changes that no journal in this copy has were set aside")
        return lines


def mending_of(tree: Tree, specs: Specs) -> Mending:
    """Work out what `resume` would do to a copy. Only reads. Raises StorageError."""
    moment = TeamReader(tree).moment(agents_of(tree, specs), needs_of(specs))
    sent = _sent_at(moment)
    state = moves_back(tree, last_lines(moment, moment.cut.ends))
    return Mending(moment=moment, mail=tuple(mail_moves(tree, sent, None)), state=tuple(state))


def mend_copy(tree: Tree, specs: Specs) -> list[str]:
    """Bring the copy to one moment, durably; what was done, for people.

    The caller holds the supervisor's lock. Does nothing where an agent lives: then it is no copy, and what
    looks inconsistent is only read at different times. Raises StorageError, Damaged.
    """
    agents = [tree.agent(agent) for agent in agents_of(tree, specs)]
    if not all(is_free(agent.lock) for agent in agents) or have_moved(agents):
        return []
    mending = mending_of(tree, specs)
    if not mending.is_needed:
        return []
    targets = dict(mending.moment.places)
    moves = agent_moves(tree, mending.moment, targets, passes_output=False)
    carry_out(
        tree,
        Rewind(
            void=next_void(tree, moves), cut=0, back=0, agents=moves, mail=mending.mail, state=mending.state
        ),
    )
    return mending.notes()


def _sent_at(moment: Moment) -> Mapping[str, Mapping[str, int]]:
    """Find by sender and recipient the last number sent at the moment."""
    return {
        agent: {
            to: max((number for line, number in steps if line <= moment.cut.ends[agent]), default=0)
            for to, steps in trace.sent.items()
            if is_mail_box(to)
        }
        for agent, trace in moment.traces.items()
    }
