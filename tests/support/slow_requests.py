"""Requests to a server that take a while."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
from PIL import Image

from tests.support.bad_requests import PATH, form
from tests.support.pictures import a_photo, encode
from tests.support.runs import wait_until
from tests.support.server import Server


def deep_form() -> dict[str, Any]:
    """A photo that takes many seconds to fill."""
    mask = np.zeros((1400, 1400), np.uint8)
    mask[100:1300, 100:1300] = 255
    request = form(encode(a_photo(1400, 1400), "JPEG"), encode(mask), texture="patches")
    del request["url"]
    return request


def slow_form() -> dict[str, Any]:
    """A photo that takes a second or more, most of it to compress the answer."""
    side = 2400
    mask = Image.new("L", (side, side))
    mask.putpixel((side // 2, side // 2), 255)
    request = form(encode(a_photo(side, side), "JPEG", quality=50), encode(mask), format="webp")
    del request["url"]
    return request


@contextmanager
def slow_requests(server: Server, count: int) -> Iterator[list[Future[httpx.Response]]]:
    """The given number of requests under way, the first of them in progress."""
    request = slow_form()
    with ThreadPoolExecutor() as executor:
        yield_to = [executor.submit(httpx.post, server.url + PATH, **request, timeout=120) for _ in range(count)]
        wait_until(lambda: server.measure("onar_in_progress") == 1 and server.measure("onar_waiting") == count - 1)
        yield yield_to
