"""Keys of age and ssh: public ones that things are encrypted for, private ones in files that open them."""

from __future__ import annotations

from pathlib import Path

import pyrage

from state_layout.errors import BadInput


def recipient_of(text: str, option: str) -> object:
    """The public key that `text`, given with `option`, is. Raises BadInput."""
    try:
        if text.startswith("ssh-"):
            return pyrage.ssh.Recipient.from_str(text)
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError as cause:
        raise BadInput(f"{option} {text[:60]!r}: is no public key; use age1... or ssh-ed25519 ...") from cause


def identities_in(path: Path) -> list[object]:
    """Read the private keys in the file `path`. Raises BadInput if there is none, OSError."""
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        if "PRIVATE KEY" in text:
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        keys = [line.strip() for line in text.splitlines() if line.startswith("AGE-SECRET-KEY-")]
        found: list[object] = [pyrage.x25519.Identity.from_str(key) for key in keys]
    except pyrage.IdentityError as cause:
        raise BadInput(f"{path}: holds no key that can be used ({cause})") from cause
    if not found:
        raise BadInput(f"{path}: holds no key; use a file of age-keygen, or an ssh private key")
    return found
