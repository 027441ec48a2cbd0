"""Access control: keys and passwords, host names, cross-site requests; and security headers."""

from __future__ import annotations

import base64
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onar.errors import FieldError
from onar.serve.config import ServeConfig, is_loopback
from onar.serve.http.paths import OPEN_PATHS, own_path
from onar.serve.http.problems import problem_response

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def check_exposure(config: ServeConfig) -> None:
    """Raise `UsageError` if other computers had access without a key or password, unless that is set explicitly."""
    if not (is_loopback(config.host) or config.api_key or config.auth or config.open_to_all):
        raise FieldError(
            "host",
            f"{config.host} allows access from other computers: set a key (`api_key`) or a password (`auth`), or use "
            "`open_to_all`",
        )


class Guard:
    """Requires an allowed host name and a key or password, and refuses cross-site requests.

    `api_key` is accepted as `Authorization: Bearer KEY`, `auth` as basic authentication (RFC 7617); without either, no
    credentials are needed. Forwarded headers of proxies are not read: any client can send them.
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
        """Handle or refuse a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)  # the page sets a stricter policy
            await send(message)

        await (self._refusal(scope) or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._answers_to(_host_name(host)):
            message = "the server does not answer to this host name; the setting allowed_hosts adds names"
            return problem_response(400, "unknown_host", message)
        # Browsers attach passwords to requests that other sites trigger.
        if scope.get("method") not in _SAFE_METHODS and self._is_cross_site(headers, host):
            return problem_response(403, "cross_site", "requests from other sites are refused")
        if own_path(scope) not in OPEN_PATHS and not self._authorizes(headers.get("authorization", "")):
            message = "missing or wrong key or password"
            return problem_response(401, "unauthorized", message, {"WWW-Authenticate": self._challenge})
        return None

    def _answers_to(self, name: str) -> bool:
        # DNS rebinding: a site may point its own name at this computer; its requests then carry that name.
        if self._allowed or is_loopback(self._host):
            return name in {"localhost", "127.0.0.1", "::1", self._host} or self._is_allowed(name)
        return True

    def _is_allowed(self, name: str) -> bool:
        return any(name == host or (host[:1] == "*" and name.endswith(host[1:])) for host in self._allowed)

    def _is_cross_site(self, headers: Headers, host: str) -> bool:
        """Whether a browser sends a request for a page of another origin; programs send no origin."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site in ("same-origin", "none"):
            return False
        # Old browsers, and all in an insecure context, omit Sec-Fetch-Site.
        if site == "cross-site" or origin is None:
            return site is not None
        address = origin.partition("://")[2]
        return not (address and (address.lower() == host.lower() or self._is_allowed(_host_name(address))))

    def _authorizes(self, authorization: str) -> bool:
        scheme, _, secret = authorization.partition(" ")
        given = f"{scheme.lower()} {secret.strip()}".encode()
        # All are compared in constant time, against timing attacks.
        matches = [secrets.compare_digest(given, accepted) for accepted in self._accepted]
        return any(matches) or not self._accepted


def _host_name(host: str) -> str:
    """A host without its port, in lower case; empty if there is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _in_ascii(host: str) -> str:
    """A host name as browsers send it: in punycode, for names that are not ASCII."""
    return host.strip("[]").lower().encode("idna").decode()
