"""Latency and memory of the page, from dropping a photo to the filled hole.

python -m benchmarks.page

It prints a table: photos of three sizes, on `onar serve` and on the folder of `onar export --format web`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.completing import SIZES
from benchmarks.table import Table, processor
from onar.export.verb import export
from onar.weights.bundled import bundled_photos
from tests.support.browser import button, choose_brush, draw, open_page, photo_size, running_browser
from tests.support.server import running_server
from tests.support.static_host import hosting

REPEATS = 3
PHOTO = "pexels_315998.jpg"
BRUSH, LENGTH = 200, 100
HOLES = (0.4, 0.7)
"""Vertical positions of the first hole and the next one, as shares of the photo's height."""
NOTE = (
    f"A JPEG is dropped on the empty page of a new browser, a stroke of {BRUSH + LENGTH} × {BRUSH} pixels is painted "
    "in it at once, and filled; then another one. Open: from the drop until there is something to paint on. First "
    "hole: from the button until it is filled; in the browser, it includes the rest of loading the networks. Tab and "
    "server: the largest resident set of their processes; the browser has others, for all its tabs. The photo is an "
    f"enlarged one, which decodes sooner than a sharp one of that size. In turns, medians of {REPEATS}."
)
WAIT = """([attribute, wanted]) => new Promise((resolve) => {
  const look = () => document.querySelector("main").getAttribute(attribute) === wanted ? resolve() : again();
  const again = () => requestAnimationFrame(look);
  look();
})"""
SECONDS = ("open, s", "first hole, s", "drop to filled, s", "next hole, s")
HEADER = ["photo", "filled by", *SECONDS, "tab, GB", "server, GB"]


@dataclass(frozen=True)
class Round:
    """One photo in one browser: seconds, and bytes of the processes; 0 where there is none that fills."""

    open: float
    first: float
    next: float
    tab: int
    server: int


@dataclass(frozen=True)
class Place:
    """The address of a page, and the process that fills, if it is not the browser."""

    url: str
    server: int | None = None


Places = dict[str, Callable[[], AbstractContextManager[Place]]]


def main() -> None:
    """Print the table."""
    print(f"Measured with `python -m benchmarks.page` on {processor()}, {psutil.cpu_count()} threads.\n")
    for table in measure():
        print(table)


def measure() -> list[Table]:
    """Photo sizes × places."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        site = export("bundled", folder / "site", format="web").path
        places: Places = {
            "server": on_server,
            "browser, several cores": partial(on_host, site, "isolated"),
            "browser, one core": partial(on_host, site),
        }
        rows = [
            [size, place, *_cells(rounds)]
            for size, (height, width) in SIZES.items()
            for place, rounds in _in_turns(write_photo(folder, height, width), places).items()
        ]
    return [Table("From drop to filled", NOTE, HEADER, rows)]


def _in_turns(photo: Path, places: Places) -> dict[str, list[Round]]:
    measured: dict[str, list[Round]] = {name: [] for name in places}
    for _ in range(REPEATS):
        for name, place in places.items():
            with place() as opened:
                measured[name].append(fill_twice(opened, photo))
    return measured


def _cells(rounds: list[Round]) -> list[str]:
    def middle(of: Callable[[Round], float]) -> float:
        return median(of(one) for one in rounds)

    seconds = [lambda one: one.open, lambda one: one.first, lambda one: one.open + one.first, lambda one: one.next]
    server = middle(lambda one: one.server)
    return [
        *(f"{middle(of):.1f}" for of in seconds),
        f"{middle(lambda one: one.tab) / 1e9:.2f}",
        f"{server / 1e9:.2f}" if server else "",
    ]


@contextmanager
def on_server(*flags: str) -> Iterator[Place]:
    """A new server."""
    with running_server(*flags) as server:
        yield Place(server.url, server.process.pid)


@contextmanager
def on_host(folder: Path, *options: str) -> Iterator[Place]:
    """A static host without a service worker: every visit is a first one, but nothing is cached meanwhile."""
    with hosting(folder, *options) as host:
        yield Place(host.address)


def write_photo(folder: Path, height: int, width: int) -> Path:
    """An enlarged bundled photo; its sides are at least four times `BRUSH`, the largest brush of the page."""
    path = folder / f"{width}x{height}.jpg"
    with Image.open(bundled_photos() / PHOTO) as picture:
        picture.convert("RGB").resize((width, height), Image.Resampling.BICUBIC).save(path, quality=90)
    return path


# ---------------------------------------------------------------- one browser


def fill_twice(place: Place, photo: Path) -> Round:
    """Drop a photo, and fill two holes of it."""
    with sync_playwright() as playwright, running_browser(playwright) as browser:
        page = browser.new_page()
        open_page(page, place.url)
        opened = _seconds(page, lambda: _drop(page, photo), "data-state", "ready")
        choose_brush(page, BRUSH)
        first, following = (_fill(page, down, number) for number, down in enumerate(HOLES, 1))
        return Round(opened, first, following, _tab_memory(), _server_memory(place.server) if place.server else 0)


def _drop(page: Page, file: Path) -> None:
    """Drop a file on the page."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
    for event in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": event, "x": 600, "y": 400, "data": data})


def _fill(page: Page, down: float, number: int) -> float:
    """Paint a horizontal stroke at a vertical position; returns the seconds until it is filled."""
    width, height = photo_size(page)
    draw(page, ((width - LENGTH) / 2, down * height), ((width + LENGTH) / 2, down * height))
    return _seconds(page, button(page, "Fill").click, "data-fills", str(number))


def _seconds(page: Page, do: Callable[[], object], attribute: str, wanted: str) -> float:
    """Seconds from an action until an attribute of the page's main element has the given value."""
    started = time.perf_counter()
    do()
    page.evaluate(WAIT, [attribute, wanted])
    return time.perf_counter() - started


def _tab_memory() -> int:
    """Peak bytes of the largest renderer process that this program started."""
    children = psutil.Process().children(recursive=True)
    started = [process for process in children if process.status() != psutil.STATUS_ZOMBIE]
    return max(_peak_memory(process.pid) for process in started if "--type=renderer" in process.cmdline())


def _server_memory(server: int) -> int:
    """Peak bytes of a server and its worker process."""
    return sum(_peak_memory(process.pid) for process in [psutil.Process(server), *psutil.Process(server).children()])


def _peak_memory(process: int) -> int:
    """Peak resident set of a process in bytes, on Linux."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)
    assert found
    return 1024 * int(found[1])


if __name__ == "__main__":
    main()
