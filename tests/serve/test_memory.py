"""What a long day leaves in the memory of a server process, measured with a real browser."""

from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.serve.browser import choose_photo, open_page, running_browser
from tests.serve.server import COFFEE, Server, running_server

CLIENTS, FILLS = 16, 200
FEW_FRAMES = "window.requestAnimationFrame = draw => setTimeout(() => draw(performance.now()), 500)"
"""Sixteen editors drawn in software would leave the server no time."""


def fill_all(pages: list[Page]) -> None:
    """Invert the holes on every page at once, and then fill them on every page at once."""
    for button, told in (("Invert", "is marked"), ("Fill the holes", "Filled")):
        for page in pages:
            page.get_by_role("button", name=button).click()
        for page in pages:
            expect(page.locator("#status")).to_contain_text(told, timeout=600_000)


def resident_megabytes(server: Server) -> float:
    return psutil.Process(server.process.pid).memory_info().rss / 1e6


@pytest.mark.soak
def test_memory_is_flat_over_200_fills_by_16_clients_on_the_page(tmp_path: Path) -> None:
    Image.open(COFFEE).resize((512, 512)).save(tmp_path / "photo.png")
    mask = np.zeros((512, 512), np.uint8)
    mask[200:300, 200:320] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    with running_server("--weights", "pyramid", "--time_limit", 600) as server, running_browser() as browser:
        pages = [browser.new_page(viewport={"width": 640, "height": 480}) for _ in range(CLIENTS)]
        for page in pages:
            page.add_init_script(FEW_FRAMES)
            open_page(page, server.url)
            choose_photo(page, tmp_path / "photo.png")
            page.locator("#mask input[type=file]").set_input_files(tmp_path / "mask.png")
            expect(page.locator("#status")).to_contain_text("is marked")
        megabytes = [resident_megabytes(server)]
        while (len(megabytes) - 1) * CLIENTS < FILLS:
            fill_all(pages)
            megabytes.append(resident_megabytes(server))
            print(f"memory after {(len(megabytes) - 1) * CLIENTS} fills: {megabytes[-1]:.0f} MB", flush=True)
    settled = megabytes[3:]
    assert max(settled) < 1.05 * settled[0]
