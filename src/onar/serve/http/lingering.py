"""An answer that comes before the whole request was sent.

Most clients read no answer before they have sent everything; if the connection ended under them, they would report
that and not the answer. So the rest is received and thrown away, up to a limit: a body may have no end.
"""

from __future__ import annotations

from anyio import move_on_after
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onar.serve.http.body_limit import has_body

PATIENCE = 5
"""Seconds for the rest."""


class Lingering:
    """Lets clients finish sending when they are answered early, and ends the connection after that.

    Args:
        app: what answers them.
        max_bytes: most bytes of the rest.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
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
