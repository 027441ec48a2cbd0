"""Paths of the server, and their dispatch to API and page, also under the path of a proxy."""

from __future__ import annotations

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

COMPLETE = "/api/complete"
CLONE = "/api/clone"
FILL = "/api/fill"
FIND = "/api/find"
HEALTH = "/api/health"
METRICS = "/metrics"
PROGRESS = "/api/progress/"
"""Followed by the id of work, which the client chose."""
PHOTOS = "/api/photos/"
"""Followed by the id of a kept photo, which gives access to it."""

OPEN_PATHS = frozenset({HEALTH})
"""Paths that need no key: monitoring has none."""


def own_path(scope: Scope) -> str:
    """The path of a request without a proxy's prefix."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


class UnderPath:
    """Serves an application under the path of a proxy, whether the proxy strips that path or passes it on.

    `root` is the path, such as /onar; empty for none.
    """

    def __init__(self, app: ASGIApp, root: str) -> None:
        self._app = app
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, with its full path, from which applications build URLs."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif self._root and scope["path"] == self._root:
            # Without the slash, browsers would resolve relative URLs against the parent of this path.
            await RedirectResponse(f"{self._root}/")(scope, receive, send)
        else:
            path = scope["path"] if scope["path"].startswith(f"{self._root}/") else self._root + scope["path"]
            await self._app({**scope, "root_path": self._root, "path": path}, receive, send)


class ApiAndPage:
    """Dispatches the API's paths to the API, and all others to the page, or without one to the API, which answers 404.

    A file of the page can thus never answer for the API. The API answers HEAD as GET; uvicorn omits the content.
    """

    def __init__(self, api: ASGIApp, page: ASGIApp | None) -> None:
        self._api = api
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        path = "/api" if scope["type"] == "lifespan" else own_path(scope)
        if self._page and path not in (METRICS, "/api") and not path.startswith("/api/"):
            await self._page(scope, receive, send)
        elif scope.get("method") == "HEAD":
            await self._api({**scope, "method": "GET"}, receive, send)
        else:
            await self._api(scope, receive, send)
