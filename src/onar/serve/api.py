"""The HTTP API: a photo and its mask in, the completed photo out.

The worker's child process does all work on pictures: nothing is decoded and no network loaded here. The worker's places
bound the memory, because a request takes one before its body is read.

Access control, metrics and limits wrap the whole application instead of being its middleware, so that they also see the
responses to unexpected errors.
"""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import APIRouter, Depends, Request
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, Field
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from onar.errors import UsageError
from onar.serve.completing import complete_upload
from onar.serve.config import ServeConfig
from onar.serve.editor.kept_photos import KeptPhotos
from onar.serve.editor.routes import editing_routes
from onar.serve.errors import StoppingError
from onar.serve.http.body_limit import BodyLimit
from onar.serve.http.guard import Guard
from onar.serve.http.lingering import Lingering
from onar.serve.http.monitoring import Metrics, Monitoring
from onar.serve.http.openapi import describe_access_and_errors, file_response
from onar.serve.http.paths import COMPLETE, FILL, HEALTH, ApiAndPage, UnderPath
from onar.serve.http.problems import HANDLERS, Problem
from onar.serve.http.turns import run_while_there
from onar.serve.http.uploads import read_upload, shorten, upload_schema
from onar.serve.masks.routes import mask_routes
from onar.serve.trainings.routes import training_routes
from onar.serve.weights import WeightsShelf
from onar.serve.worker import Worker


class Model(BaseModel):
    """The weights, and the limits of requests."""

    weights: Annotated[str, Field(description="Name of the weights file, or pyramid.")]
    version: Annotated[str, Field(description="Version of Onar.")]
    choices: Annotated[list[Choice], Field(description="The weights that requests may name, the server's own first.")]
    max_body_megabytes: float
    max_megapixels: float
    max_whole_megapixels: float
    time_limit: float


class Choice(BaseModel):
    """Weights to choose."""

    name: Annotated[str, Field(description="For the field weights of a request.")]
    about: Annotated[str, Field(description="What they are good for.")]
    licence: Annotated[str | None, Field(description="As their authors name it; null for weights that a user trained.")]


class Health(BaseModel):
    """The server answers, and takes requests."""

    status: str


def create_app(shelf: WeightsShelf, worker: Worker, config: ServeConfig, page: ASGIApp | None = None) -> ASGIApp:
    """The whole server as an ASGI application, with access control and limits; `page` answers paths outside the API."""
    max_bytes = int(config.body_limit * 1_000_000)
    kept = KeptPhotos(config.kept_megabytes * 1_000_000, 60 * config.kept_minutes)
    metrics = Metrics(worker, lambda: kept.total_bytes)
    app: ASGIApp = ApiAndPage(_create_api(shelf, worker, kept, config, metrics), page)
    app = BodyLimit(app, max_bytes, config.time_limit)
    app = ServerErrorMiddleware(app, handler=HANDLERS[Exception])
    app = Guard(app, config)
    app = Monitoring(app, (COMPLETE, FILL), metrics, config.access_log)
    app = Lingering(app, max_bytes)
    return UnderPath(app, config.root_path.rstrip("/"))


def _create_api(
    shelf: WeightsShelf, worker: Worker, kept: KeptPhotos, config: ServeConfig, metrics: Metrics
) -> ASGIApp:
    app = FastAPIOffline(
        docs_url="/api/docs",
        redoc_url=None,
        static_url="/api/docs/files",
        title="Onar",
        summary="Fills holes in photos.",
        version=version("onar"),
        openapi_url="/api/openapi.json",
        swagger_ui_oauth2_redirect_url="/api/docs/oauth2-redirect",
        redirect_slashes=False,  # they would need the public address of a proxy
        exception_handlers=HANDLERS,
        generate_unique_id_function=lambda route: route.name,
        dependencies=[Depends(_refuse_unread_query)],
        responses={422: {"model": Problem, "description": "bad_request"}},
    )
    turn = CapacityLimiter(1)

    @app.post(
        COMPLETE,
        tags=["photos"],
        summary="Complete a photo",
        **file_response("The completed photo.", "image/*"),
        openapi_extra={"requestBody": upload_schema()},
    )
    async def complete(request: Request) -> Response:
        """Fill the holes of a photo; known pixels stay unchanged."""
        with worker.place():
            upload = await read_upload(request, turn)
            work = partial(complete_upload, upload, shelf, config)
            answer = await run_while_there(request, worker, work)
        return Response(answer.content, media_type=answer.media_type, headers=answer.headers)

    app.include_router(editing_routes(worker, shelf, kept, config))
    app.include_router(training_routes(config.results_dir))
    app.include_router(mask_routes())
    app.include_router(_state_routes(shelf, worker, config))
    metrics.show(app)
    describe_access_and_errors(app, config)
    return app


def _state_routes(shelf: WeightsShelf, worker: Worker, config: ServeConfig) -> APIRouter:
    """The endpoints that describe the server, and say whether it takes requests."""
    router = APIRouter(tags=["state"])
    limits = {name: getattr(config, name) for name in Model.model_fields if hasattr(config, name)}
    limits |= {"max_body_megabytes": config.body_limit, "max_megapixels": config.megapixel_limit}

    @router.get(
        HEALTH,
        summary="Whether the server takes requests",
        responses={503: {"model": Problem, "description": "stopping"}},
    )
    async def health() -> Health:
        """Answers while photos are being completed, too; 503 from when the server is being stopped."""
        if worker.is_closed:
            raise StoppingError("the server is being stopped")
        return Health(status="ok")

    @router.get("/api/model", summary="The weights, those to choose from, and the limits")
    async def describe() -> Model:
        choices = [Choice(name=one.name, about=one.about, licence=one.licence) for one in shelf.choices()]
        return Model(weights=shelf.name, version=version("onar"), choices=choices, **limits)

    return router


def _refuse_unread_query(request: Request) -> None:
    """Raise `UsageError` for query parameters of a route without any: a misplaced option would have no effect."""
    if request.query_params and not request.scope["route"].dependant.query_params:
        name = next(iter(request.query_params))
        raise UsageError(f"{shorten(name)}: this endpoint has no query parameters; options are fields of the body")
