"""A real server process for tests, and what they send to it."""

import asyncio
import re
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from starlette.testclient import TestClient

from onar.serve.api import create_app
from onar.serve.config import ServeConfig
from onar.serve.site import create_site, page_is_built
from onar.serve.weights import WeightsShelf
from onar.serve.worker import Worker
from tests.support.processes import SERVING, Process

Result = TypeVar("Result")
needs_page = pytest.mark.skipif(not page_is_built(), reason="needs the page, which make page builds")


@dataclass(frozen=True)
class Server:
    url: str
    process: Process

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def measure(self, name: str, **headers: str) -> float:
        """One number from /metrics."""
        text = httpx.get(f"{self.url}/metrics", headers=headers, timeout=60).text
        return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)[1])

    def answers(self, status: int) -> int:
        """How many photos and holes were answered with this status; 499 where the client was gone by then."""
        text = httpx.get(f"{self.url}/metrics", timeout=60).text
        counted = re.search(rf'^onar_requests_total{{status="{status}"}} (\S+)$', text, re.M)
        return int(float(counted[1])) if counted else 0

    @property
    def megabytes(self) -> float:
        """Of memory that the server and its child have."""
        return sum(self.measure(f"{whose}process_resident_memory_bytes") for whose in ("", "onar_child_")) / 1e6

    @property
    def child(self) -> int:
        """The number of the process that does the work."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        (child,) = (number for thread in threads for number in thread.read_text().split())
        return int(child)


def run_async(work: Coroutine[Any, Any, Result]) -> Result:
    """As `asyncio.run`, in a thread: in the main one Playwright's event loop may run."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@contextmanager
def running_server(*flags: object, **environment: str) -> Iterator[Server]:
    """`onar serve` on a free port, stopped at the end."""
    command = ["-m", "onar", "serve", "--port", "0", *flags]
    with Process(*command, preloaded=SERVING, on_import=environment) as process:
        try:
            lines = iter(process.stdout.readline, "")
            url = next((found[1] for line in lines if (found := re.match(r"serving at (\S+)", line))), None)
            assert url, "the server did not start"
            yield Server(url, process)
        finally:
            process.terminate()


@contextmanager
def server_in_process(**settings: object) -> Iterator[TestClient]:
    """A client of a server with its page in this process; only its child is a process, started by the first work."""
    config, shelf = ServeConfig(**settings), WeightsShelf("pyramid")
    worker = Worker(config.queue, config.time_limit)
    app = create_app(shelf, worker, config, create_site(shelf, config) if page_is_built() else None)
    try:
        with TestClient(app, base_url="http://127.0.0.1") as client:
            yield client
    finally:
        worker.end()
