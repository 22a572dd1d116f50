"""The routes of the page's server. Who comes to one was let in by the gate; files are read in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from maos_sup import __version__
from maos_sup.metrics.families import families_of
from maos_sup.projection.agent_page import agent_page
from maos_sup.projection.graph import graph_of
from maos_sup.projection.text import plain
from maos_sup.web.acts import acted, names
from maos_sup.web.answers import entered, error, json_answer, raw_headers, static
from maos_sup.web.gate import LONGEST_BODY, Asked, RequestGate
from maos_sup.web.sheets import agent_sheet, costs_sheet, cut_sheet, head_sheet, sheet_of
from maos_sup.web.shown import MOST_LANES, ShownTree, ShownTrees, TimeWindow
from maos_sup.web.stream import events, sheet_of_board
from state_layout.errors import BadInput, LayoutError
from state_layout.files import codec

Asgi = Callable[..., Awaitable[None]]
_MOST_MESSAGES = 200
_LIST_S = 2.0


class Pages:
    """The answers, over one shelf of trees."""

    def __init__(self, shelf: ShownTrees, gate: RequestGate, is_ending: Callable[[], bool]) -> None:
        self._shelf, self._gate, self._is_ending = shelf, gate, is_ending
        self._warming: asyncio.Task[None] | None = None

    def routes(self) -> list[Route]:
        """List all routes of the page's server."""
        get = {
            "/": self.index,
            "/enter": self.enter,
            "/static/{name}": self.file,
            "/metrics": self.metrics,
            "/api/session": self.session,
            "/api/trees": self.trees,
            "/api/t/{key}/board": self.board,
            "/api/t/{key}/head": self.head,
            "/api/t/{key}/events": self.events,
            "/api/t/{key}/timeline": self.timeline,
            "/api/t/{key}/graph": self.graph,
            "/api/t/{key}/costs": self.costs,
            "/api/t/{key}/messages": self.messages,
            "/api/t/{key}/cuts": self.cuts,
            "/api/t/{key}/cuts/{number}": self.cut,
            "/api/t/{key}/cuts/{number}/back": self.back,
            "/api/t/{key}/agents/{agent}": self.agent,
        }
        found = [Route(path, answer, methods=["GET"]) for path, answer in get.items()]
        return [*found, Route("/api/t/{key}/act", self.act, methods=["POST"])]

    async def index(self, request: Request) -> Response:
        return static("index.html")

    async def file(self, request: Request) -> Response:
        return static(request.path_params["name"])

    async def enter(self, request: Request) -> Response:
        """Take a key, once, for a cookie and the key that the page keeps where no other port reads it."""
        session = self._gate.keys.enter(_first(request, "key") or "")
        if session is None:
            text = "this key is not known, or was used; 'maos-sup ui' prints another one at Enter"
            return error(HTTPStatus.UNAUTHORIZED, text)
        self._warming = asyncio.create_task(
            asyncio.to_thread(self._shelf.warm)
        )  # while the browser loads the page
        answer = entered(session.page_key)
        answer.set_cookie(
            self._gate.cookie,
            session.secret,
            httponly=True,
            samesite="strict",
            secure=self._gate.scheme == "https",
            path="/",
        )
        return answer

    async def session(self, request: Request) -> Response:
        told = {
            "version": __version__,
            "steer": self._gate.is_steered,
            "acts": names() if self._gate.is_steered else [],
        }
        return json_answer(told)

    async def metrics(self, request: Request) -> Response:
        """All orchestrations that are shown, for Prometheus, which comes with the key that people keep."""
        from maos_sup.metrics.exposition import CONTENT_TYPE, exposed  # few ask

        def look() -> bytes:
            return exposed(families_of(self._shelf.figures()))

        return Response(await asyncio.to_thread(look), media_type=CONTENT_TYPE)

    async def trees(self, request: Request) -> Response:
        return json_answer({"trees": sheet_of(await asyncio.to_thread(self._shelf.listed))})

    async def board(self, request: Request) -> Response:
        return await self._told(request, lambda shown: sheet_of_board(shown)._asdict())

    async def head(self, request: Request) -> Response:
        """The head alone, for a page that nobody sees: its title counts what waits for a person."""
        return await self._told(request, lambda shown: head_sheet(shown.status(), shown.wants()))

    async def events(self, request: Request) -> Response:
        shown = await self._found(request)
        if isinstance(shown, Response):
            return shown
        told = events(lambda: sheet_of_board(shown), is_ending=self._is_ending)
        return StreamingResponse(told, media_type="text/event-stream")

    async def timeline(self, request: Request) -> Response:
        since, until, first = _number(request, "since"), _number(request, "until"), _number(request, "first")
        lanes = _number(request, "lanes")

        window = TimeWindow(since, until, max(0, int(first or 0)), max(1, int(lanes or MOST_LANES)))
        return await self._told(request, lambda shown: sheet_of(shown.timeline(window)))

    async def graph(self, request: Request) -> Response:
        has_money = _first(request, "money") != "no"

        def look(shown: ShownTree) -> Any:
            tasks = shown.costs().tasks if has_money else {}
            costs = {task: sums.cost_usd for task, sums in tasks.items()}
            return sheet_of(graph_of(shown.status()["tasks"], costs))

        return await self._told(request, look)

    async def costs(self, request: Request) -> Response:
        return await self._told(request, lambda shown: costs_sheet(shown.costs(), shown.status()["budget"]))

    async def messages(self, request: Request) -> Response:
        agent = _first(request, "agent")

        def look(shown: ShownTree) -> Any:
            if agent is not None and all(one["name"] != agent for one in shown.status()["agents"]):
                return None
            with shown.locked():
                return {"messages": sheet_of(shown.reading.messages(newest=_MOST_MESSAGES, agent=agent))}

        return await self._told(request, look)

    async def agent(self, request: Request) -> Response:
        name, until = request.path_params["agent"], _number(request, "until")

        def look(shown: ShownTree) -> Any:
            status = shown.status()
            with shown.locked():
                page = agent_page(shown.reading, status, name, until_s=until)
            if page is None:
                return None
            changed = page.agent.get("changed")
            return {**sheet_of(page), "agent": agent_sheet(page.agent), "changed": sheet_of(changed)}

        return await self._told(request, look)

    async def cuts(self, request: Request) -> Response:
        def look(shown: ShownTree) -> Any:
            with shown.locked():
                return {"cuts": [cut_sheet(found) for found in reversed(shown.reading.cuts()[-200:])]}

        return await self._told(request, look)

    async def cut(self, request: Request) -> Response:
        """Answer what differs between a checkpoint and now, or the checkpoint `with`."""
        number, other = request.path_params["number"], _first(request, "with")
        return await self._told(request, lambda shown: {"lines": shown.difference_lines(number, other)})

    async def back(self, request: Request) -> Response:
        """Answer what going back to a checkpoint would do, as `rollback --dry-run` says it."""
        number = request.path_params["number"]
        return await self._told(request, lambda shown: {"lines": shown.rollback_lines(number)})

    async def act(self, request: Request) -> Response:
        """Steer. The gate has seen that this server may, and that the page itself asks."""
        body = await _body(request)
        try:
            asked = codec.decode_object(body)
        except codec.NotJson as trouble:
            return error(HTTPStatus.BAD_REQUEST, f"the body is no JSON object: {trouble}")
        name = asked.pop("act", None)
        if not isinstance(name, str):
            return error(HTTPStatus.BAD_REQUEST, "say which 'act'")
        return await self._told(request, lambda shown: {"done": plain(acted(shown.tree, name, asked))})

    async def _found(self, request: Request) -> ShownTree | Response:
        shown = await asyncio.to_thread(self._shelf.find, request.path_params["key"])
        return error(HTTPStatus.NOT_FOUND, "no such orchestration") if shown is None else shown

    async def _told(self, request: Request, look: Callable[[ShownTree], Any]) -> Response:
        """Answer what `look` makes of the tree that is asked for, in a thread."""
        shown = await self._found(request)
        if isinstance(shown, Response):
            return shown
        try:
            await asyncio.to_thread(shown.be_there)
            value = await asyncio.to_thread(look, shown)
        except BadInput as trouble:
            return error(HTTPStatus.BAD_REQUEST, str(trouble))
        except LayoutError as trouble:
            return error(HTTPStatus.CONFLICT, str(trouble))
        return error(HTTPStatus.NOT_FOUND, "it is not there") if value is None else json_answer(value)


async def _body(request: Request) -> bytes:
    found = b""
    async for piece in request.stream():
        found += piece
        if len(found) > LONGEST_BODY:
            return b""
    return found


def _first(request: Request, name: str) -> str | None:
    """A value of the query, if it is there once."""
    try:
        found = parse_qs(request.url.query, max_num_fields=16).get(name, [])
    except ValueError:
        return None
    return found[0] if len(found) == 1 else None


def _number(request: Request, name: str) -> float | None:
    """Read a finite number of the query; None for everything else."""
    try:
        value = float(_first(request, name) or "nan")
    except ValueError:
        return None
    return value if abs(value) < 1e12 else None


class Guarded:
    """The gate stands before the routes: an ASGI application around another one. No traceback leaves it."""

    def __init__(self, inner: Asgi, gate: RequestGate) -> None:
        self._inner, self._gate = inner, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
            return
        if scope["type"] != "http":  # a socket: closed before it is open
            await send({"type": "websocket.close", "code": 1008})
            return
        refusal = self._gate.refusal(_asked(scope))
        if refusal is not None:
            await error(refusal.status, refusal.text)(scope, receive, _with_headers(send))
            return
        await self._inner(scope, receive, _with_headers(send))


def _asked(scope: Scope) -> Asked:
    path = scope.get("raw_path") or scope["path"].encode()
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    return Asked(
        method=scope["method"], path=path.partition(b"?")[0], query=scope["query_string"], headers=headers
    )


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = raw_headers()
            names_ours = {name for name, _ in ours}
            kept = [
                (name, value) for name, value in message.get("headers", []) if name.lower() not in names_ours
            ]
            message = {**message, "headers": [*kept, *ours]}
        await send(message)

    return sending


def make_app(shelf: ShownTrees, gate: RequestGate, *, is_ending: Callable[[], bool]) -> Asgi:
    """Make the whole application; streams of events end when `is_ending`."""

    async def lost(request: Request, trouble: Exception) -> Response:
        return error(HTTPStatus.NOT_FOUND, "no such page")

    async def bug(request: Request, trouble: Exception) -> Response:
        return error(
            HTTPStatus.INTERNAL_SERVER_ERROR, "a bug of maos-sup; its server says more on its stderr"
        )

    handlers: dict[Any, Any] = {404: lost, 405: lost, 500: bug}
    app = Starlette(routes=Pages(shelf, gate, is_ending).routes(), exception_handlers=handlers)
    app.router.redirect_slashes = False
    return Guarded(app, gate)
