"""Throughput and latency of `onar serve` with 1, 4 and 16 clients, each of which sends one photo after another.

python -m benchmarks.serve_load [FLAGS OF onar serve]

It starts a server and prints a table. A client that gets 503 (busy) continues at once with its next photo, so
rejected requests are counted.
"""

from __future__ import annotations

import io
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
from PIL import Image

from onar.masks.generation import random_mask
from tests.support.server import Server, running_server

SIZE = 512
SECONDS = 30
CLIENTS = (1, 4, 16)
OK, BUSY, LATE = 200, 503, 504


def make_upload(seed: int) -> dict[str, bytes]:
    """A JPEG of smooth colours and a mask of irregular holes."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(256, size=(16, 16, 3), dtype=np.uint8)
    photo = Image.fromarray(coarse).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    mask = Image.fromarray(random_mask(SIZE, SIZE, mask_type="irregular", rng=rng))
    return {"photo": _encode(photo, "JPEG"), "mask": _encode(mask, "PNG")}


def _encode(picture: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def load(url: str, clients: int, uploads: list[dict[str, bytes]]) -> list[tuple[int, float]]:
    """Status and latency in seconds of every response to N clients within `SECONDS` seconds."""
    end = time.monotonic() + SECONDS
    answers: list[tuple[int, float]] = []
    lock = threading.Lock()

    def ask(first: int) -> None:
        with httpx.Client(timeout=300) as client:
            number = first
            while (start := time.monotonic()) < end:
                status = client.post(f"{url}/api/complete", files=uploads[number % len(uploads)]).status_code
                with lock:
                    answers.append((status, time.monotonic() - start))
                number += clients

    with ThreadPoolExecutor(clients) as executor:
        list(executor.map(ask, range(clients)))
    return answers


def measure_all(server: Server, name: str) -> float:
    """The sum of a number of the server's process and its worker process."""
    return server.measure(f"process_{name}") + server.measure(f"onar_child_process_{name}")


def row(server: Server, clients: int, uploads: list[dict[str, bytes]]) -> str:
    """One line of the table."""
    start, computed = time.monotonic(), measure_all(server, "cpu_seconds_total")
    answers = load(server.url, clients, uploads)
    elapsed = time.monotonic() - start
    computed = measure_all(server, "cpu_seconds_total") - computed
    resident = measure_all(server, "resident_memory_bytes") / 1e6
    seconds = [taken for status, taken in answers if status == OK]
    busy, late = (sum(status == refusal for status, _ in answers) for refusal in (BUSY, LATE))
    median, p95 = np.percentile(seconds, (50, 95))
    speed = f"{len(seconds) / elapsed:.2f} | {median:.2f} | {p95:.2f} | {computed / len(seconds):.3f}"
    return f"| {clients} | {speed} | {len(seconds)} | {busy} | {late} | {resident:.0f} |"


def main() -> None:
    """Print the table."""
    uploads = [make_upload(seed) for seed in range(16)]
    with running_server("--no-page", *sys.argv[1:]) as server:
        httpx.post(f"{server.url}/api/complete", files=uploads[0], timeout=300).raise_for_status()
        print("| clients | photos/s | median s | p95 s | CPU s per photo | completed | busy | timeout | memory MB |")
        print("|---|---|---|---|---|---|---|---|---|")
        for clients in CLIENTS:
            print(row(server, clients, uploads), flush=True)


if __name__ == "__main__":
    main()
