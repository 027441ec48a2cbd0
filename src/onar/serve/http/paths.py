"""Which part of the server a path belongs to, also where a proxy shows the server under a path of its own."""

from __future__ import annotations

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

COMPLETE = "/api/complete"
FILL = "/api/fill"
HEALTH = "/api/health"
METRICS = "/metrics"


def own_path(scope: Scope) -> str:
    """The path of a request as this server names it, without what a proxy has in front of it."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


class UnderPath:
    """Serves an application under a path of a proxy's, whether the proxy takes that path away or passes it on.

    Args:
        app: what is served.
        root: the path, such as /onar; empty for none.
    """

    def __init__(self, app: ASGIApp, root: str) -> None:
        self._app = app
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its whole path, which is what applications make addresses of."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif self._root and scope["path"] == self._root:
            # Without the slash, a browser would take addresses on the page for the neighbours of this path.
            await RedirectResponse(f"{self._root}/")(scope, receive, send)
        else:
            path = scope["path"] if scope["path"].startswith(f"{self._root}/") else self._root + scope["path"]
            await self._app({**scope, "root_path": self._root, "path": path}, receive, send)


class ApiAndPage:
    """Gives to the API what is the API's, and the rest to the page.

    So a file of the page's answers nothing in the API's name. HEAD is answered as GET there; the server below leaves
    out the content.

    Args:
        api: the HTTP API.
        page: everything else; None leaves that to the API, too, which refuses it.
    """

    def __init__(self, api: ASGIApp, page: ASGIApp | None) -> None:
        self._api = api
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if self._page and scope["type"] != "lifespan" and not _is_for_the_api(own_path(scope)):
            await self._page(scope, receive, send)
        elif scope.get("method") == "HEAD":
            await self._api({**scope, "method": "GET"}, receive, send)
        else:
            await self._api(scope, receive, send)


def _is_for_the_api(path: str) -> bool:
    return path == METRICS or path == "/api" or path.startswith("/api/")
