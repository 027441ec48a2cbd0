"""Onar behind a real nginx and a real Caddy, with the lines of docs/serve.md and a real browser."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Playwright

from tests.support import browser as browsing
from tests.support.bad_requests import MASK, PATH, PHOTO
from tests.support.browser import (
    choose_photo,
    fill,
    keep_picture,
    paint,
    pixels,
    running_browser,
    save_mask,
    save_photo,
)
from tests.support.pictures import COFFEE, a_photo, encode
from tests.support.proxies import DOCUMENTED, NAME, ask, documented, running_caddy, running_nginx
from tests.support.server import Server, needs_page, running_server

pytestmark = pytest.mark.process

HOST = "proxy_set_header Host $host;\n"
WAYS = {
    "caddy": (running_caddy, documented("caddy"), ""),
    "nginx": (running_nginx, documented("nginx"), ""),
    "nginx_that_names_the_host": (running_nginx, documented("nginx").replace("{", "{\n" + HOST), ""),
    "caddy_under_a_path": (running_caddy, documented("caddy", "/onar"), "/onar"),
    "caddy_that_takes_a_path_away": (
        running_caddy,
        f"{NAME} {{\nhandle_path /onar/* {{\nreverse_proxy {DOCUMENTED}\n}}\n}}\n",
        "/onar",
    ),
    "nginx_under_a_path": (running_nginx, documented("nginx", "/onar"), "/onar"),
    "nginx_that_takes_a_path_away": (running_nginx, documented("nginx", "/onar").replace("7860", "7860/"), "/onar"),
}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Server]]:
    """One at the root, one that knows its path."""
    flags = ("--weights", "pyramid", "--allowed_hosts", NAME)
    with running_server(*flags) as plain, running_server(*flags, "--root_path", "/onar") as under:
        yield {"": plain, "/onar": under}


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    flags = f"--host-resolver-rules=MAP {NAME} 127.0.0.1", "--ignore-certificate-errors"
    with running_browser(playwright, *flags) as browser:
        yield browser


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, servers: dict[str, Server], tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The URL that visitors open, and its path."""
    run, lines, path = WAYS[request.param]
    host, port = servers[path].address
    with ExitStack() as stack:
        yield stack.enter_context(run(lines, f"{host}:{port}", tmp_path)), path


@needs_page
# In all ways the page asks for the same; each of these differs from the others in what it can get wrong.
@pytest.mark.parametrize(
    "way",
    ["caddy", "nginx", "nginx_that_names_the_host", "caddy_under_a_path", "nginx_that_takes_a_path_away"],
    indirect=True,
)
def test_the_page_works_behind_a_proxy(
    way: tuple[str, str], browser: Browser, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url, path = way
    addresses, errors = [], []
    context = browser.new_context(viewport=browsing.DESKTOP, ignore_https_errors=True)
    page = context.new_page()
    page.on("request", lambda request: addresses.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    browsing.open_page(page, f"{url}{path}/?from=a_link")
    photo = tmp_path / "photo.png"
    Image.open(COFFEE).resize((1200, 800)).save(photo)  # more than a megabyte
    choose_photo(page, photo)
    paint(page)
    hole = save_mask(page, tmp_path)
    fill(page)
    keep_picture(page, f"behind_{request.node.callspec.id}")
    before, after = pixels(photo), pixels(save_photo(page, tmp_path))
    context.close()
    assert np.array_equal(before[~hole], after[~hole])
    assert (before[hole] != after[hole]).any()
    assert errors == []
    assert all(address.startswith((f"{url}{path}/", "data:", f"blob:{url}")) for address in addresses), addresses


def test_the_api_works_behind_a_proxy(way: tuple[str, str]) -> None:
    url, path = way
    scheme, _, host = url.partition("://")
    address = f"{scheme}://127.0.0.1:{host.partition(':')[2]}{path}"
    about = {"headers": {"Host": host}, "extensions": {"sni_hostname": NAME}, "timeout": 60}
    with httpx.Client(verify=False) as client:
        large = encode(a_photo(900, 1300))
        answer = client.post(address + PATH, files={"photo": PHOTO, "mask": MASK}, **about)
        assert Image.open(BytesIO(answer.content)).size == (64, 48)
        assert len(large) > 1_000_000  # more than nginx lets through by itself
        assert client.post(address + PATH, files={"photo": large, "mask": MASK}, **about).status_code == 422
        for file in re.findall(r'(?:src|href)="([^"]+)"', client.get(f"{address}/api/docs", **about).text):
            assert file.startswith(f"{path}/")
            assert client.get(address + file.removeprefix(path), **about).status_code == 200


@needs_page
@pytest.mark.parametrize("way", ["nginx_under_a_path", "caddy_under_a_path"], indirect=True)
def test_a_path_without_its_slash_leads_to_the_page(way: tuple[str, str]) -> None:
    url, path = way
    answer = ask(url, path)
    assert answer.is_redirect
    assert httpx.URL(url).join(answer.headers["location"]).path == "/onar/"


def test_a_server_under_a_path_redirects_there(servers: dict[str, Server]) -> None:
    answer = httpx.get(f"{servers['/onar'].url}/onar")
    assert (answer.status_code, answer.headers["location"]) == (307, "/onar/")
    assert httpx.get(f"{servers['/onar'].url}/onar/api/health").json() == {"status": "ok"}
    assert httpx.get(f"{servers['/onar'].url}/api/health").json() == {"status": "ok"}


@needs_page
@pytest.mark.parametrize("path", ["/", "/onar.json", "/api/openapi.json"])
def test_forwarded_headers_of_clients_appear_on_no_page(servers: dict[str, Server], path: str) -> None:
    headers = dict.fromkeys(("X-Forwarded-Host", "Forwarded", "X-Original-URL"), "attacker.example")
    text = httpx.get(servers[""].url + path, headers={**headers, "X-Forwarded-Proto": "https"}).text
    assert "attacker" not in text
    assert servers[""].url not in text


@pytest.mark.parametrize("claim", ["X-Forwarded-Host", "X-Original-Host", "Forwarded"])
def test_a_rebound_host_name_is_refused_with_any_forwarded_header(servers: dict[str, Server], claim: str) -> None:
    for name in ("attacker.example", f"{NAME}.attacker.example", f"{NAME}@attacker.example", "photos.example.com", ""):
        for host in (name, f"{name}:7860"):
            answer = httpx.get(f"{servers[''].url}/api/health", headers={"Host": host, claim: NAME})
            assert answer.json()["error"] == "unknown_host"
