"""The verb `serve`: one process that answers until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
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
"""For results on their way when the server is stopped; a page left open would else hold it up for ever."""


def serve(weights: str | None, device: str, config: ServeConfig) -> None:
    """Serve the API and the page until SIGTERM or Ctrl-C; what is being completed then is still completed.

    Raises:
        UsageError: other computers would be let in without a key.
        OnarError: the weights cannot be loaded, or the address cannot be listened on.
    """
    check_exposure(config)
    # uvicorn, when done, raises the signal that stopped it again; a server that was asked to stop has not failed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    return_large_blocks()
    listener = _listen(config.host, config.port)
    shelf = WeightsShelf(weights, device, config.weights_dir, config.threads)
    worker = Worker(config.queue, config.time_limit, partial(_prepare, shelf))
    page = None
    if config.page and not page_is_built():
        warn("onar: the page is not built, which make page does; serving the HTTP API alone")
    elif config.page:
        page = create_site(shelf, config)
    try:
        say(f"filling holes with {_start(worker)}")
        _run(create_app(shelf, worker, config, page), worker, listener)
    finally:
        worker.end()


def _start(worker: Worker) -> str:
    """Start the process that does the work; returns what fills holes, for people."""
    try:
        filler: str = worker.start()
        return filler
    except OutOfMemoryError:  # whose advice is for those who send photos
        raise OutOfMemoryError("not enough memory to load the weights; --weights pyramid needs less") from None


def _prepare(shelf: WeightsShelf) -> str:
    """What each process that does the work does first; returns what fills holes, for people."""
    limit_opencv(shelf.threads)
    return shelf.load()


def _run(app: ASGIApp, worker: Worker, listener: socket.socket) -> None:
    settings = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # anybody could send them, and nothing here needs them
        server_header=False,
        timeout_graceful_shutdown=_SECONDS_TO_SEND,
    )
    _Server(settings, worker).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says where it listens, and finishes what clients wait for before it stops; who comes then is sent away."""

    def __init__(self, config: uvicorn.Config, worker: Worker) -> None:
        super().__init__(config)
        self._worker = worker

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            say(f"serving at {_url(listener)} - Ctrl-C stops")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        closing = asyncio.create_task(self._worker.close())
        while not (closing.done() or self.force_exit):  # a second Ctrl-C
            await asyncio.wait({closing}, timeout=0.1)
        self._worker.end()
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
