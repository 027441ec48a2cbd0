"""Responses before the whole request was received.

Most clients read the response only after they have sent everything; if the connection closed earlier, they would report
that instead of the response. So the rest is received and discarded, up to a limit: a body may be endless.
"""

from __future__ import annotations

from anyio import move_on_after
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onar.serve.http.body_limit import has_body

PATIENCE = 5
"""Timeout for the rest of a request, in seconds."""


class Lingering:
    """Lets clients finish sending at most `max_bytes` after an early response, then closes the connection."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if not has_body(scope):
            await self._app(scope, receive, send)
            return
        complete = False

        async def receive_watched() -> Message:
            nonlocal complete
            message = await receive()
            complete = not message.get("more_body", False)
            return message

        async def receive_rest() -> None:
            received = 0
            with move_on_after(PATIENCE):
                while not complete and received < self._max_bytes:
                    received += len((await receive_watched()).get("body", b""))

        async def send_and_linger(message: Message) -> None:
            if complete:
                await send(message)
            elif message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
                await send(message)
            else:
                await send({**message, "more_body": True})
                if not message.get("more_body"):
                    await receive_rest()
                    await send({"type": "http.response.body", "body": b""})

        await self._app(scope, receive_watched, send_and_linger)
