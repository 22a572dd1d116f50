"""Says what a URL of a database gives away, and what of it may be shown: a password is nobody's to read."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

from state_layout.errors import BadInput

_HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:\d*)?")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def has_password(url: str) -> bool:
    """A password stands in `url`: before the host, even if it breaks the URL, or as a parameter."""
    rest = url.partition("://")[2]
    _, colon, secret = rest.rpartition("@")[0].partition(":")
    query = rest.partition("#")[0].partition("?")[2]
    return bool(colon and secret) or any(_is_secret(key) for key, _ in parse_qsl(query))


def refuse_unreadable(url: str) -> None:
    """Raise BadInput for a URL that drivers would take apart at the wrong place, and then quote a part of."""
    if "://" not in url or url.startswith("sqlite:"):
        return
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = None
    if parts is not None and parts.scheme == "unix":
        return
    hosts = parts.netloc.rpartition("@")[2].split(",") if parts is not None else []
    is_whole = parts is not None and "@" not in f"{parts.path}{parts.fragment}"
    if not is_whole or _BROKEN_ESCAPE.search(url) or not all(map(_HOST.fullmatch, hosts)):
        raise BadInput(
            f"the URL {shown_url(url)} cannot be read; write the signs / ? # @ : % of a name or password "
            "as %2F %3F %23 %40 %3A %25"
        )


def shown_url(url: str) -> str:
    """`url` without user, password and parameters that are secret."""
    scheme, colon, rest = url.partition("://")
    if not colon:
        return url
    place, _, query = rest.rpartition("@")[2].partition("?")
    kept = "&".join(each for each in query.split("&") if each and not _is_secret(each.partition("=")[0]))
    return f"{scheme}://{place}{f'?{kept}' if kept else ''}"


def _is_secret(key: str) -> bool:
    return key.lower().endswith("password")
