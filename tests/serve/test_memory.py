"""Memory of a server after hours of work."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.support.browser import PATIENCE, button, choose_photo, expect_work, paint
from tests.support.pictures import COFFEE, encode
from tests.support.server import Server, needs_page, running_server

pytestmark = pytest.mark.process

CLIENTS, FILLS = 16, 208
MASK = encode(np.full((90, 120), 255, np.uint8))


class Client:
    """Fills hole after hole in one photo, as the page does."""

    def __init__(self, server: Server, number: int) -> None:
        self._url = server.url
        self._photo = encode(Image.open(COFFEE).convert("RGB").resize((1200 + 10 * number, 800)), "JPEG")
        self._fills: list[tuple[str, bytes]] = []

    def open(self) -> None:
        self._ask("view", [])

    def fill(self) -> None:
        at = f"{40 + 70 * len(self._fills)},{30 + 50 * len(self._fills)}"
        answer = self._ask("fill", [("mask", ("mask.png", MASK)), ("at", (None, at))])
        assert answer.headers["onar-filled"] == "10800"
        self._fills.append((at, answer.content))

    def save(self) -> None:
        assert self._ask("save", []).headers["content-type"] == "image/jpeg"

    def _ask(self, path: str, parts: list[tuple[str, tuple[str | None, object]]]) -> httpx.Response:
        for at, content in self._fills if path != "view" else []:
            parts = [*parts, ("earlier", ("fill.png", content)), ("earlier_at", (None, at))]
        parts = [*parts, ("photo", ("photo.jpg", self._photo))]
        answer = httpx.post(f"{self._url}/api/{path}", files=parts, timeout=600)
        assert answer.status_code == 200, answer.text
        return answer


@pytest.mark.soak
def test_memory_is_flat_over_200_fills_by_16_clients() -> None:
    with running_server("--no-page", "--time_limit", 600) as server, ThreadPoolExecutor(CLIENTS) as at_once:
        clients = [Client(server, number) for number in range(CLIENTS)]
        list(at_once.map(Client.open, clients))
        megabytes = []
        while len(megabytes) * CLIENTS < FILLS:
            list(at_once.map(Client.fill, clients))
            megabytes.append(memory_of(server, len(megabytes) + 1))
        list(at_once.map(Client.save, clients))
    assert_flat(megabytes)


@needs_page
@pytest.mark.soak
def test_memory_is_flat_over_200_fills_on_16_open_pages(browser: Browser, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    Image.open(COFFEE).convert("RGB").resize((1200, 800)).save(photo)
    with running_server("--time_limit", 600) as server:
        pages = [browser.new_page(locale="en-US") for _ in range(CLIENTS)]
        for page in pages:
            page.set_default_timeout(10 * PATIENCE)
            page.goto(server.url)
            choose_photo(page, photo)
            paint(page)
        megabytes = []
        while len(megabytes) * CLIENTS < FILLS:
            for page in pages:
                button(page, "Fill again" if megabytes else "Fill").click()
                expect(page.get_by_role("main")).to_have_attribute("data-state", "busy")
            for page in pages:
                expect(page.get_by_role("main")).to_have_attribute("data-state", "ready", timeout=10 * PATIENCE)
                expect_work(page, steps=0, fills=1)
            megabytes.append(memory_of(server, len(megabytes) + 1))
    assert_flat(megabytes)


def memory_of(server: Server, rounds: int) -> float:
    megabytes = server.megabytes
    print(f"memory after {rounds * CLIENTS} fills: {megabytes:.0f} MB", flush=True)
    return megabytes


def assert_flat(megabytes: Sequence[float]) -> None:
    settled = megabytes[3:]
    assert max(settled) < 1.05 * settled[0]
