"""Says who is let in: host, origin, path, method, key and type of every request, before anything is
routed. Pure.

Each check is an allow list and fails closed. What local agent servers fell to is named where it is refused:
pages of others that reach 127.0.0.1 (cross-origin, DNS rebinding, requests without preflight), paths that a
check and a router read in two ways, and sockets that no origin guards.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from maos_sup.web.keys import Keys

ENTER, METRICS = "/enter", "/metrics"
PAGE_KEY = "x-maos-key"
_PLAIN_PATH = re.compile(rb"/(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*)?")
_JSON = re.compile(r"application/json(?:; ?charset=utf-8)?", re.IGNORECASE)
_ONCE = ("host", "origin", "content-type", "content-length", "cookie", "authorization", PAGE_KEY)
_OURS = ("same-origin", "none")
LONGEST_BODY = 256 * 1024

# What every answer says: no script and style but ours, in no frame, known to no cache.
HEADERS = (
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ("cache-control", "no-store"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """Says why a request is not let in."""

    status: HTTPStatus
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it came: the path as bytes, undecoded; names of headers in lower case."""

    method: str
    path: bytes
    query: bytes = b""
    headers: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestGate:
    """The gate keeps the rules of one server. `hosts`: what the header Host may say; `scheme`: of our own
    origin."""

    hosts: frozenset[str]
    keys: Keys
    cookie: str
    scheme: str = "http"
    is_steered: bool = False
    paths: frozenset[str] = field(default_factory=frozenset)

    def refusal(self, asked: Asked) -> Denial | None:
        """Say why `asked` is refused; None: it may be routed."""
        if any(_count(asked.headers, name) > 1 for name in _ONCE):
            return Denial(status=HTTPStatus.BAD_REQUEST, text="a header is there twice")
        headers = {name.lower(): value for name, value in asked.headers}
        return (
            self._wrong_host(headers)
            or _wrong_path(asked.path)
            or self._wrong_origin(asked, headers)
            or self._wrong_method(asked, headers)
            or self._wrong_key(asked, headers)
        )

    def _wrong_host(self, headers: Mapping[str, str]) -> Denial | None:
        """A name that was made to lead here (DNS rebinding) is not ours."""
        if headers.get("host", "").lower() in self.hosts:
            return None
        return Denial(status=HTTPStatus.MISDIRECTED_REQUEST, text="this host is not served here")

    def _wrong_origin(self, asked: Asked, headers: Mapping[str, str]) -> Denial | None:
        """A page of another origin asks; `null`, sandboxed frames and files, is another one."""
        origin = headers.get("origin")
        mine = {f"{self.scheme}://{host}" for host in self.hosts}
        is_foreign = origin is not None and origin.lower() not in mine
        is_silent = origin is None and asked.method not in ("GET", "HEAD")
        site = headers.get("sec-fetch-site", "none").lower()
        is_far = site not in _OURS and asked.path != ENTER.encode()
        if is_foreign or is_silent or is_far:
            return Denial(status=HTTPStatus.FORBIDDEN, text="not asked by this page")
        return None

    def _wrong_method(self, asked: Asked, headers: Mapping[str, str]) -> Denial | None:
        """No preflight is answered, no socket opened, and no body taken that a form could send."""
        if "upgrade" in headers:
            return Denial(status=HTTPStatus.UPGRADE_REQUIRED, text="there is no socket here")
        if asked.method == "GET":
            if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
                return Denial(status=HTTPStatus.BAD_REQUEST, text="a GET has no body here")
            return None
        if asked.method != "POST":
            return Denial(status=HTTPStatus.METHOD_NOT_ALLOWED, text="use GET, or POST to steer")
        if not _JSON.fullmatch(headers.get("content-type", "")):
            return Denial(status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE, text="send application/json")
        if "transfer-encoding" in headers:
            return Denial(status=HTTPStatus.LENGTH_REQUIRED, text="say a length, and no other encoding")
        length = headers.get("content-length", "")
        if not length.isdecimal() or len(length) > 9 or int(length) > LONGEST_BODY:
            return Denial(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text="say a length of at most 256 KB")
        if not self.is_steered:
            return Denial(status=HTTPStatus.FORBIDDEN, text="this server only shows; start it with --steer")
        return None

    def _wrong_key(self, asked: Asked, headers: Mapping[str, str]) -> Denial | None:
        """Nothing is read without a key; what is asked by scripts needs the page's own as well.

        A cookie goes to every port of a host, so to servers of other users too; what a page keeps does not.
        """
        path = asked.path.decode("ascii")
        if path == ENTER:
            return None  # it is there to bring the key
        bearer = headers.get("authorization", "")
        if path == METRICS and bearer.startswith("Bearer ") and self.keys.is_standing(bearer[7:]):
            return None
        cookies = _cookies(headers.get("cookie", ""), self.cookie)
        session = next(filter(None, map(self.keys.session, cookies)), None)
        if session is None:
            text = "no key: open the address that 'maos-sup ui' printed"
            return Denial(status=HTTPStatus.UNAUTHORIZED, text=text)
        is_script = path.startswith("/api/")
        if is_script and not hmac.compare_digest(
            headers.get(PAGE_KEY, "").encode(), session.page_key.encode()
        ):
            return Denial(status=HTTPStatus.UNAUTHORIZED, text="the page's own key is missing")
        return None


def _wrong_path(path: bytes) -> Denial | None:
    """Only paths that everybody reads in one way: no `..`, `//`, `%2f`, backslash, or anything encoded."""
    if _PLAIN_PATH.fullmatch(path) and len(path) <= 300:
        return None
    return Denial(status=HTTPStatus.BAD_REQUEST, text="no such path")


def _count(headers: Sequence[tuple[str, str]], wanted: str) -> int:
    return sum(name.lower() == wanted for name, _ in headers)


def _cookies(header: str, name: str) -> Iterator[str]:
    """Yield each value of the cookie `name`, whatever stands beside it.

    Cookies know no ports: what other servers of this host set, well formed or not and of our name too, comes
    along, and must lock nobody out.
    """
    for pair in header.split(";"):
        key, _, value = pair.partition("=")
        if key.strip() == name:
            yield value.strip()
