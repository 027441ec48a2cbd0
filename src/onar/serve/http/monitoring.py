"""Metrics for Prometheus at /metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

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

from onar.serve.http.paths import METRICS, own_path
from onar.serve.worker import Worker

_SECONDS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)


class Metrics:
    """The metrics, shown at /metrics: of the worker's queue and child, and of the bytes of kept photos."""

    def __init__(self, worker: Worker, kept_bytes: Callable[[], float]) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        ProcessCollector("onar_child", lambda: worker.pid or "none", registry=registry)
        replaced = Gauge("onar_children_replaced", "Processes at work that were ended.", registry=registry)
        replaced.set_function(lambda: worker.replaced)
        waiting = Gauge("onar_waiting", "Photos that wait for their turn.", registry=registry)
        waiting.set_function(lambda: worker.waiting)
        in_progress = Gauge("onar_in_progress", "Photos being completed.", registry=registry)
        in_progress.set_function(lambda: worker.in_progress)
        in_memory = Gauge("onar_kept_bytes", "Bytes of photos that pages have open.", registry=registry)
        in_memory.set_function(kept_bytes)
        self.requests = Counter(
            "onar_requests", "Requests to complete a photo or fill a hole.", ["status"], registry=registry
        )
        self.seconds = Histogram(
            "onar_request_seconds", "Seconds until the answer.", registry=registry, buckets=_SECONDS
        )

    def show(self, app: FastAPI) -> None:
        """Add the endpoint to an application."""

        @app.get(METRICS, tags=["state"], response_class=Response, summary="Metrics for Prometheus")
        def metrics() -> Response:
            return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)


class Monitoring:
    """Counts and times the requests for some paths."""

    def __init__(self, app: ASGIApp, paths: Collection[str], metrics: Metrics) -> None:
        self._app = app
        self._paths = paths
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http" or own_path(scope) not in self._paths:
            await self._app(scope, receive, send)
            return
        start = time.monotonic()

        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.requests.labels(str(message["status"])).inc()
                self._metrics.seconds.observe(time.monotonic() - start)
            await send(message)

        await self._app(scope, receive, send_and_count)
