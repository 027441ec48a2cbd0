"""Who may ask: keys and passwords, names of hosts, requests that other sites make; and headers for browsers."""

from __future__ import annotations

import base64
import ipaddress
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onar.errors import UsageError
from onar.serve.config import ServeConfig
from onar.serve.http.paths import HEALTH, own_path
from onar.serve.http.problems import problem_response

OPEN_PATHS = frozenset({HEALTH})
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


class Guard:
    """Lets through who calls the server by its name and brings a key or password, and nobody whom another site sends.

    Headers in which proxies say what a browser asked for are not read: anybody can send them.

    Args:
        app: what is guarded.
        config: whom to let in. `api_key` is accepted as `Authorization: Bearer KEY`, `auth` as browsers send it
            (RFC 7617); with neither of the two, all may enter.
    """

    def __init__(self, app: ASGIApp, config: ServeConfig) -> None:
        self._app = app
        self._host = config.host
        self._allowed = [_in_ascii(host) for host in config.allowed_hosts]
        self._accepted = []
        self._challenge = "Bearer"
        if config.api_key:
            self._accepted.append(f"bearer {config.api_key}".encode())
        if config.auth:
            self._accepted.append(b"basic " + base64.b64encode(config.auth.encode()))
            self._challenge = 'Basic realm="Onar", charset="UTF-8"'

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)  # the page is stricter about what it may load
            await send(message)

        await (self._refusal(scope) or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._answers_to(_name_in(host)):
            message = "the server does not answer to this name; who runs it can allow it with allowed_hosts"
            return problem_response(400, "unknown_host", message)
        # Browsers send passwords along with requests that other sites make them send.
        if scope.get("method") not in _READING and self._comes_from_elsewhere(headers, host):
            return problem_response(403, "cross_site", "requests from other sites are refused")
        if own_path(scope) not in OPEN_PATHS and not self._knows(headers.get("authorization", "")):
            message = "a key or password is needed, or this one is wrong"
            return problem_response(401, "unauthorized", message, {"WWW-Authenticate": self._challenge})
        return None

    def _answers_to(self, name: str) -> bool:
        # A page of another site may give its own name this computer's address; its requests then carry that name.
        if self._allowed or is_loopback(self._host):
            return name in {"localhost", "127.0.0.1", "::1", self._host} or self._is_allowed(name)
        return True

    def _is_allowed(self, name: str) -> bool:
        return any(name == host or (host[:1] == "*" and name.endswith(host[1:])) for host in self._allowed)

    def _comes_from_elsewhere(self, headers: Headers, host: str) -> bool:
        """Whether a browser sends what a page of another origin made it send; programs say nothing about origins."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site in ("same-origin", "none"):
            return False
        # Browsers leave out where a request comes from when the server is no secure context to them, and old ones do.
        if site == "cross-site" or origin is None:
            return site is not None
        address = origin.partition("://")[2]
        return not (address and (address.lower() == host.lower() or self._is_allowed(_name_in(address))))

    def _knows(self, authorization: str) -> bool:
        scheme, _, secret = authorization.partition(" ")
        given = f"{scheme.lower()} {secret.strip()}".encode()
        # All are compared, in constant time: how long it takes tells nothing.
        matches = [secrets.compare_digest(given, accepted) for accepted in self._accepted]
        return any(matches) or not self._accepted


def _name_in(host: str) -> str:
    """The name of a host without its port, in lower case; empty where there is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _in_ascii(host: str) -> str:
    """A host as browsers send it, whose names have letters of all alphabets."""
    return host.strip("[]").lower().encode("idna").decode()
