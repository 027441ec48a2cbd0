"""What a long day leaves in the memory of a server process."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.serve.server import COFFEE, Server, encode, running_server

CLIENTS, FILLS = 16, 208
MASK = encode(np.full((90, 120), 255, np.uint8))


class Client:
    """Somebody who fills hole after hole in one photo, as the page does."""

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
            megabytes.append(server.measure("process_resident_memory_bytes") / 1e6)
            print(f"memory after {len(megabytes) * CLIENTS} fills: {megabytes[-1]:.0f} MB", flush=True)
        list(at_once.map(Client.save, clients))
    settled = megabytes[3:]
    assert max(settled) < 1.05 * settled[0]
