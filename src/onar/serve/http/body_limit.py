"""Limits of every request: bytes, and seconds to arrive."""

from __future__ import annotations

import math
import time

from anyio import fail_after
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onar.serve.errors import BodyTooLargeError, SlowBodyError
from onar.serve.http.problems import answer_to


class BodyLimit:
    """Refuses requests that announce too large a body, and aborts those that are too large or too slow.

    Aborting raises `BodyTooLargeError`, or `SlowBodyError` after `time_limit` seconds, where the body is read.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, time_limit: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._time_limit = time_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if not has_body(scope):
            await self._app(scope, receive, send)
        elif _announced_bytes(scope) > self._max_bytes:
            await answer_to(self._too_large())(scope, receive, send)
        else:
            await self._app(scope, self._limited(receive), send)

    def _limited(self, receive: Receive) -> Receive:
        """Receive a body within the limits: clients may announce a false length."""
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
                latest = math.inf  # from now on it waits for the client to disconnect
            return message

        return receive_limited

    def _too_large(self) -> BodyTooLargeError:
        return BodyTooLargeError(f"the request is larger than {self._max_bytes / 1_000_000:g} MB")


def has_body(scope: Scope) -> bool:
    """Whether a request has a body."""
    return scope["type"] == "http" and not {"content-length", "transfer-encoding"}.isdisjoint(Headers(scope=scope))


def _announced_bytes(scope: Scope) -> int:
    """The announced length of a request's body; 0 if there is none."""
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() else 0
