"""The text of `README.txt`: what a stranger who finds the folder needs to know."""

from __future__ import annotations

README = b"""\
This folder is one orchestration of maos-sup: several agents working on one request.
Everything there is to know about it is in these files; you can read all of them with ls, cat, jq and tail.

  What is wanted   spec/          yours to edit, at any time, with any editor
  What is so       supervisor/    what the supervisor sees and does     (status.json, lives/*/journal.jsonl)
                   agents/NAME/   what each agent did and wrote         (status.json, attempts/*/stdout.log,
                                  workspace/, artifacts/)
                   mail/TO/FROM.jsonl   messages; mail/all is for everybody

Look          maos-sup status DIR          or   jq . DIR/supervisor/status.json
Go on         maos-sup resume DIR          after anything: a crash, a reboot, a kill, on another machine
Pause         maos-sup pause DIR           or   set "want": "pause" in spec/orchestration.json
Add work      drop a file into spec/tasks/ or spec/agents/
Tell agents   maos-sup send DIR all TEXT   or   echo '{"text": "..."}' >> DIR/mail/all/operator.jsonl
Check         maos-sup check DIR

Moving or copying: copy the whole folder in any way, even while it works, and resume the copy. run/ and
empty lock files need not come along. What the agents work on ("project" in spec/orchestration.json, relative
to this folder) is not in here; point a copy to it with: maos-sup resume DIR --project PATH

Do not edit anything but spec/ and mail/*/operator.jsonl. Never delete a lock file to "unlock" something:
a lock is held by a living process, not by the file.
"""
