"""The verb `serve`: run the server until it is stopped."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
import sys
import time
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from onar.errors import OnarError, OutOfMemoryError
from onar.serve.api import create_app
from onar.serve.config import ServeConfig
from onar.serve.http.guard import check_exposure
from onar.serve.site import create_site, page_is_built
from onar.serve.weights import WeightsShelf
from onar.serve.worker import Worker
from onar.system.console import say, warn
from onar.system.devices import limit_opencv, return_large_blocks

_SECONDS_TO_SEND = 5
"""Maximum time for responses in flight at shutdown; otherwise an open page would delay it forever."""
_SECONDS_TO_REFUSE = 1
"""The last part of the time for stopping, in which waiting clients are refused."""


def serve(weights: str | None, device: str, config: ServeConfig) -> None:
    """Serve the API and the page until SIGTERM or Ctrl-C; requests in the queue are still completed.

    Raises `UsageError` if other computers would have access without a key, `OnarError` if the weights cannot be
    loaded, or the server cannot listen on the address.
    """
    check_exposure(config)
    listener = _listen(config.host, config.port)
    # After shutdown uvicorn raises the signal that stopped it once more; stopping on request is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    return_large_blocks()
    shelf = WeightsShelf(
        weights,
        device,
        config.weights_dir,
        config.threads,
        config.network,
        config.allow_weights,
        config.loaded_megabytes * 1e6,
    )
    worker = Worker(config.queue, config.time_limit, partial(_prepare, shelf), config.threads)
    page = None
    if config.page and not page_is_built():
        warn("onar: the page is not built, which make page does; serving the HTTP API alone")
    elif config.page:
        page = create_site(shelf, config)
    try:
        say(f"filling holes with {_start(worker)}")
        _run(create_app(shelf, worker, config, page), worker, listener, config.stop_seconds)
    finally:
        worker.end()


def _start(worker: Worker) -> str:
    """Start the child process; returns a description of the weights."""
    try:
        filler: str = worker.start()
        return filler
    except OutOfMemoryError:  # its advice is for clients
        raise OutOfMemoryError("not enough memory to load the weights; --weights pyramid needs less") from None


def _prepare(shelf: WeightsShelf) -> str:
    """Warm-up of each child process; returns a description of the weights."""
    limit_opencv(shelf.threads)
    return shelf.load()


def _run(app: ASGIApp, worker: Worker, listener: socket.socket, stop_seconds: float) -> None:
    settings = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # any client could send them, and nothing here needs them
        server_header=False,
    )
    _Server(settings, worker, stop_seconds).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Prints its address; on shutdown, completes the queue and refuses new clients.

    Shutdown takes at most `stop_seconds`, and what is not completed a second before is refused, too.
    """

    def __init__(self, config: uvicorn.Config, worker: Worker, stop_seconds: float) -> None:
        super().__init__(config)
        self._worker = worker
        self._stop_seconds = stop_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            say(f"serving at {_url(listener)} - Ctrl-C stops")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        end = time.monotonic() + self._stop_seconds
        closing = asyncio.create_task(self._worker.close())
        while not (closing.done() or self.force_exit):  # a second Ctrl-C
            left = end - _SECONDS_TO_REFUSE - time.monotonic()
            if left <= 0:
                break
            await asyncio.wait({closing}, timeout=min(0.1, left))
        self._worker.abort()
        seconds = min(_SECONDS_TO_SEND, math.floor(end - time.monotonic()))
        self.config.timeout_graceful_shutdown = max(_SECONDS_TO_REFUSE, seconds)
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OnarError(f"cannot listen on {host}, port {port}: {reason}; choose another --host or --port") from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
