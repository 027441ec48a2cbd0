"""Access control in front of the API and the page."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from onar.serve.api import create_app
from onar.serve.config import ServeConfig
from onar.serve.weights import WeightsShelf
from onar.serve.worker import Worker
from tests.support.bad_requests import form
from tests.support.server import run_async


class Broken(Worker):
    """Fails with an unexpected error."""

    async def run(self, work: Callable[[], Any], waited: Callable[[float], None] = print) -> Any:
        raise ZeroDivisionError


def ask_broken(*requests: dict[str, Any], **settings: Any) -> list[httpx.Response]:
    """Answers of a server whose generator and page fail."""

    async def page(*_: Any) -> None:
        raise ZeroDivisionError

    async def ask() -> list[httpx.Response]:
        app = create_app(WeightsShelf("pyramid"), Broken(4, 60), ServeConfig(**settings), page)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [await client.request(**{"method": "POST", **request}) for request in requests]

    return run_async(ask())


def test_an_unexpected_error_has_security_headers_and_is_counted() -> None:
    metrics = {"method": "GET", "url": "/metrics"}
    completed, page, numbers = ask_broken(form(), {"method": "GET", "url": "/"}, metrics)
    for answer in (completed, page):
        assert answer.status_code == 500
        assert answer.json() == {"error": "internal", "message": "an error in Onar itself; the server's log says more"}
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert 'onar_requests_total{status="500"} 1.0' in numbers.text
    assert 'onar_request_seconds_count{status="500"} 1.0' in numbers.text


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Origin": "http://localhost"}, True),
        ({"Origin": "http://LOCALHOST"}, True),
        ({"Origin": "https://photos.example.org"}, True),
        ({"Origin": "http://photos.example.org:8080"}, True),
        ({"Origin": "https://any.example.net"}, True),
        ({"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "same-origin"}, True),  # behind a proxy
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Origin": "http://localhost:3000"}, False),
        ({"Origin": "http://127.0.0.1"}, False),
        ({"Origin": "http://elsewhere.example"}, False),
        ({"Origin": "http://photos.example.org.elsewhere.example"}, False),
        ({"Origin": "http://example.net"}, False),
        ({"Origin": "http://photos.example.org@elsewhere.example"}, False),
        ({"Origin": "http://[elsewhere"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
        ({"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "https://photos.example.org", "Sec-Fetch-Site": "cross-site"}, False),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_only_pages_of_the_server_s_own_names_make_it_work(method: str, headers: dict[str, str], allowed: bool) -> None:
    names = ("photos.example.org", "*.example.net")
    (answer,) = ask_broken({"method": method, "url": "/", "headers": headers}, allowed_hosts=names)
    assert (answer.status_code == 403) != allowed


@pytest.mark.parametrize(
    ("settings", "host", "answers"),
    [
        ({}, "localhost:7860", True),
        ({}, "[::1]:7860", True),
        ({}, "photos.example.org", False),
        ({}, "", False),
        ({"host": "127.8.8.8"}, "127.8.8.8", True),
        ({"allowed_hosts": ("Photos.Example.org",)}, "photos.example.org:443", True),
        ({"allowed_hosts": ("*.example.org",)}, "a.b.example.org", True),
        ({"allowed_hosts": ("*.example.org",)}, "example.org", False),
        ({"allowed_hosts": ("gökçe.example",)}, "xn--gke-2laa1h.example", False),
        ({"allowed_hosts": ("gökçe.example",)}, "gökçe.example".encode("idna").decode(), True),
        ({"allowed_hosts": ("[2001:db8::1]",)}, "[2001:db8::1]:80", True),
        ({"host": "0.0.0.0"}, "anything.example", True),
        ({"host": "0.0.0.0", "allowed_hosts": ("photos.example.org",)}, "anything.example", False),
        ({"host": "0.0.0.0", "allowed_hosts": ("photos.example.org",)}, "localhost", True),
    ],
)
def test_the_server_answers_to_its_names_alone(settings: dict[str, Any], host: str, answers: bool) -> None:
    (answer,) = ask_broken({"method": "GET", "url": "/api/health", "headers": {"Host": host}}, **settings)
    assert answer.json()["status" if answers else "error"] == ("ok" if answers else "unknown_host")
