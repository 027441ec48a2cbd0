"""Who may ask: keys and passwords, names of hosts, requests that other sites make; and headers for browsers."""

from __future__ import annotations

import base64
import ipaddress
import secrets

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onar.errors import UsageError
from onar.serve.config import ServeConfig
from onar.serve.problems import problem_response

OPEN_PATHS = frozenset({"/api/health"})
"""What needs no key: those who watch over the server have none."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def is_loopback(host: str) -> bool:
    """Whether only this computer reaches an address to listen on."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_exposure(config: ServeConfig) -> None:
    """Refuse to serve other computers without a key or password, unless told to.

    Raises:
        UsageError: that is what the settings ask for.
    """
    if not (is_loopback(config.host) or config.api_key or config.auth or config.open_to_all):
        raise UsageError(
            f"--host {config.host} lets other computers in: set a key (--api_key) or a password (--auth), "
            "or say --open_to_all"
        )


def add_guard(app: FastAPI, config: ServeConfig) -> None:
    """Put the guard in front of everything that an application has, the page included."""
    if is_loopback(config.host):
        # A page of another site may give its own name this computer's address; its requests then carry that name.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "[::1]", "127.0.0.1", config.host])
    app.add_middleware(Guard, api_key=config.api_key, auth=config.auth)


class Guard:
    """Lets through who brings a key or password, and nobody whom another site sends.

    Args:
        app: what is guarded.
        api_key: accepted as `Authorization: Bearer KEY`.
        auth: user:password, accepted as browsers send it (RFC 7617). With neither of the two, all may enter.
    """

    def __init__(self, app: ASGIApp, api_key: str | None, auth: str | None) -> None:
        self._app = app
        self._accepted = []
        self._challenge = "Bearer"
        if api_key:
            self._accepted.append(f"bearer {api_key}".encode())
        if auth:
            self._accepted.append(b"basic " + base64.b64encode(auth.encode()))
            self._challenge = 'Basic realm="Onar", charset="UTF-8"'

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await (self._refusal(scope) or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        # Browsers send passwords along with requests that other sites make them send.
        if headers.get("sec-fetch-site") == "cross-site" and scope.get("method") not in _READING:
            return problem_response(403, "cross_site", "requests from other sites are refused")
        if scope["path"] not in OPEN_PATHS and not self._knows(headers.get("authorization", "")):
            message = "a key or password is needed, or this one is wrong"
            return problem_response(401, "unauthorized", message, {"WWW-Authenticate": self._challenge})
        return None

    def _knows(self, authorization: str) -> bool:
        scheme, _, secret = authorization.partition(" ")
        given = f"{scheme.lower()} {secret.strip()}".encode()
        # All are compared, in constant time: how long it takes tells nothing.
        matches = [secrets.compare_digest(given, accepted) for accepted in self._accepted]
        return any(matches) or not self._accepted
