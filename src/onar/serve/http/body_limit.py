"""How large a request may be, and how long it may take to arrive, whatever it is for."""

from __future__ import annotations

import math
import time

from anyio import fail_after
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onar.serve.http.problems import BodyTooLargeError, SlowBodyError, answer_to


class BodyLimit:
    """Refuses requests that say they are too large, and breaks off those that are, or that come too slowly.

    What is broken off raises where the body is read: `BodyTooLargeError` or `SlowBodyError`.

    Args:
        app: what reads the requests.
        max_bytes: most bytes of a body.
        time_limit: seconds in which it must have arrived.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, time_limit: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._time_limit = time_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if not has_body(scope):
            await self._app(scope, receive, send)
        elif announced_bytes(scope, 0) > self._max_bytes:
            await answer_to(self._too_large())(scope, receive, send)
        else:
            await self._app(scope, self._limited(receive), send)

    def _limited(self, receive: Receive) -> Receive:
        """Receive a body, and no more of it than allowed: what clients announce need not be true."""
        received = 0
        latest = time.monotonic() + self._time_limit

        async def receive_limited() -> Message:
            nonlocal received, latest
            try:
                with fail_after(max(0.0, latest - time.monotonic())):
                    message = await receive()
            except TimeoutError as error:
                raise SlowBodyError(f"the request did not arrive within {self._time_limit:g} s") from error
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise self._too_large()
            if not message.get("more_body", False):
                latest = math.inf  # what is waited for from now on is that the client goes away
            return message

        return receive_limited

    def _too_large(self) -> BodyTooLargeError:
        return BodyTooLargeError(f"the request is larger than {self._max_bytes / 1_000_000:g} MB")


def has_body(scope: Scope) -> bool:
    """Whether something comes after the head of a request."""
    return scope["type"] == "http" and not {"content-length", "transfer-encoding"}.isdisjoint(Headers(scope=scope))


def announced_bytes(scope: Scope, otherwise: int) -> int:
    """How long a request says its body is."""
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() else otherwise
