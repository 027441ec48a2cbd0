"""The page: its built files, the description of this server, and example photos."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from onar.fills.patches import no_patches
from onar.finding.kinds import KINDS, missing_extra
from onar.imaging.formats.endings import READABLE
from onar.serve.config import ServeConfig
from onar.serve.http.problems import HANDLERS
from onar.serve.weights import WeightsShelf
from onar.weights.bundled import bundled_page, bundled_photos, example_photos

_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The Content-Security-Policy of the page: no other origins, no inline scripts."""


def page_is_built() -> bool:
    """Whether the page's files exist; a clone of the repository may lack them."""
    return (bundled_page() / "index.html").is_file()


def create_site(shelf: WeightsShelf, config: ServeConfig) -> ASGIApp:
    """The page as an ASGI application."""

    def describe(_request: Request) -> Response:
        return JSONResponse(_description(shelf, config), headers={"Cache-Control": "no-store"})

    return Starlette(
        routes=[
            Route("/onar.json", describe),
            Mount("/examples", StaticFiles(directory=bundled_photos())),
            Mount("/", _PageFiles(directory=bundled_page())),
        ],
        exception_handlers=dict(HANDLERS),
    )


def _description(shelf: WeightsShelf, config: ServeConfig) -> dict[str, Any]:
    """The content of onar.json, `ServerSite` of web/src/site.ts."""
    choices = shelf.choices()
    return {
        "engine": "server",
        "version": version("onar"),
        "examples": [f"examples/{path.name}" for path in example_photos()],
        "weights": [
            {"name": one.name, "default": one is choices[0], "kind": one.kind, "licence": one.licence}
            for one in choices
        ],
        "copies": no_patches() is None,
        "finds": [{"name": kind.name, "missing": missing_extra(kind)} for kind in KINDS.values()],
        "readable": list(READABLE),
        "max_body_megabytes": config.body_limit,
        "max_megapixels": config.megapixel_limit,
    }


class _PageFiles(StaticFiles):
    """Files that browsers revalidate each time, so that no page of an earlier version is shown."""

    def get_path(self, scope: Scope) -> str:
        path = super().get_path(scope)
        return "index.html" if path == os.curdir else path

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        if Path(args[0]).suffix == ".js":  # the system's own list may have another type, with which modules do not run
            response.headers["Content-Type"] = "text/javascript; charset=utf-8"
        response.headers.update({"Cache-Control": "no-cache", "Content-Security-Policy": _POLICY})
        return response
