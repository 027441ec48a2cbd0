"""Metrics for Prometheus at /metrics, and the access log."""

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
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onar.serve.config import AccessLogStyle
from onar.serve.http.access_log import log_request
from onar.serve.http.paths import METRICS, own_path
from onar.serve.http.problems import ERROR
from onar.serve.http.records import RequestRecord, record_of
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
            "onar_request_seconds", "Seconds until their answer.", ["status"], registry=registry, buckets=_SECONDS
        )
        self.errors = Counter("onar_errors", "Answers with an error, on all paths.", ["error"], registry=registry)

    def show(self, app: FastAPI) -> None:
        """Add the endpoint to an application."""

        @app.get(METRICS, tags=["state"], response_class=Response, summary="Metrics for Prometheus")
        def metrics() -> Response:
            return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)


class Monitoring:
    """Logs requests, counts their errors, and counts and times those for some paths."""

    def __init__(self, app: ASGIApp, paths: Collection[str], metrics: Metrics, log: AccessLogStyle) -> None:
        self._app = app
        self._paths = paths
        self._metrics = metrics
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, record = time.monotonic(), record_of(scope)

        async def receive_and_count() -> Message:
            message = await receive()
            record.received += len(message.get("body", b""))
            return message

        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status, record.error = message["status"], Headers(raw=message["headers"]).get(ERROR, "")
                self._count(scope, record, time.monotonic() - start)
            record.sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive_and_count, send_and_count)
        finally:  # also where the client has gone
            log_request(self._log, scope, record, time.monotonic() - start)

    def _count(self, scope: Scope, record: RequestRecord, seconds: float) -> None:
        if record.error:
            self._metrics.errors.labels(record.error).inc()
        if own_path(scope) in self._paths:
            self._metrics.requests.labels(str(record.status)).inc()
            self._metrics.seconds.labels(str(record.status)).observe(seconds)
