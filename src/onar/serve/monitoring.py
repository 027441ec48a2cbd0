"""What Prometheus reads at /metrics."""

from __future__ import annotations

import time

from fastapi import FastAPI
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onar.serve.worker import Worker

_SECONDS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)


class Monitoring:
    """Counts and times the requests for one path.

    Args:
        app: what answers them.
        path: which.
        registry: where the numbers go.
    """

    def __init__(self, app: ASGIApp, path: str, registry: CollectorRegistry) -> None:
        self._app = app
        self._path = path
        self._requests = Counter("onar_requests", "Requests to complete a photo.", ["status"], registry=registry)
        self._seconds = Histogram(
            "onar_request_seconds", "Seconds until the answer.", registry=registry, buckets=_SECONDS
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or scope["path"] != self._path:
            await self._app(scope, receive, send)
            return
        start = time.monotonic()

        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._requests.labels(str(message["status"])).inc()
                self._seconds.observe(time.monotonic() - start)
            await send(message)

        await self._app(scope, receive, send_and_count)


def add_monitoring(app: FastAPI, path: str, worker: Worker) -> None:
    """Count what an application answers at a path, and show the numbers at /metrics."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    Gauge("onar_waiting", "Photos that wait for their turn.", registry=registry).set_function(lambda: worker.waiting)
    Gauge("onar_in_progress", "Photos being completed.", registry=registry).set_function(lambda: worker.in_progress)
    app.add_middleware(Monitoring, path=path, registry=registry)

    @app.get("/metrics", tags=["state"], response_class=Response, summary="Numbers for Prometheus")
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
