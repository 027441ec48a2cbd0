"""Addresses on the page as every browser can follow them, whatever names and paths proxies have for the server."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TELLING = (b"x-forwarded-host", b"x-forwarded-proto", b"x-gradio-server")


class RelativeAddresses:
    """Lets Gradio begin its addresses with a path, and not with the name that a request came with.

    Behind a proxy that name may be this computer's, which no visitor can follow. Gradio takes what to begin with from
    a header of its own, and would take it from any client.

    Args:
        app: Gradio's application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A dot is left out when a browser follows the address; without it, Gradio would take no path for no header.
        start = scope.get("root_path") or "/."
        headers = [(name, value) for name, value in scope["headers"] if name not in _TELLING]
        headers.append((b"x-gradio-server", start.encode()))
        await self._app({**scope, "headers": headers}, receive, _unbuffered(send))


def _unbuffered(send: Send) -> Send:
    """Send, and tell nginx to pass on each event when it happens."""

    async def send_unbuffered(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if headers.get("content-type", "").startswith("text/event-stream"):
                headers["X-Accel-Buffering"] = "no"
        await send(message)

    return send_unbuffered
