"""The endpoints of the page's editor; programs may use them, too."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from onar.serve.completing import Answer
from onar.serve.config import ServeConfig
from onar.serve.editor.kept_photos import KeptPhotos
from onar.serve.editor.requests import (
    CloneUpload,
    FillProgress,
    FillUpload,
    FindUpload,
    MaskUpload,
    OutlineUpload,
    PhotoUpload,
    SaveUpload,
    ViewUpload,
)
from onar.serve.editor.shares import Shares
from onar.serve.editor.tasks import clone_stroke, fill_hole, find_damage, outline, save_photo, show_mask, view_photo
from onar.serve.http.openapi import answers_file
from onar.serve.http.paths import CLONE, FILL, FIND, PHOTOS, PROGRESS
from onar.serve.http.turns import run_while_there
from onar.serve.http.uploads import read_form
from onar.serve.weights import WeightsShelf
from onar.serve.worker import Worker


def editing_routes(worker: Worker, shelf: WeightsShelf, kept: KeptPhotos, config: ServeConfig) -> APIRouter:
    """The endpoints of the page's editor."""
    router, shares = APIRouter(tags=["page"]), Shares()

    answer = partial(_answer, worker, kept, shares)

    @router.post("/api/view", summary="View a photo", **answers_file(ViewUpload, "A PNG or JPEG."))
    async def view(request: Request) -> Response:
        """The photo upright, in 8 bits, in its own colour profile and at most 2560 pixels a side; or parts of it.

        `Onar-Size` is the photo's own size; `Onar-Losses`, in JSON, is what a result will leave out. With `keep`, here
        and elsewhere, `Onar-Photo` is an id to send instead of the photo for a while.
        """
        return await answer(request, ViewUpload, partial(view_photo, config=config))

    @router.post("/api/mask", summary="A mask file as black and white", **answers_file(MaskUpload, "A grey PNG."))
    async def mask(request: Request) -> Response:
        """White is the hole, all else is black. `Onar-Size` is the mask's size."""
        return await answer(request, MaskUpload, partial(show_mask, config=config))

    @router.post("/api/outline", summary="Find the object in a lasso", **answers_file(OutlineUpload, "A grey PNG."))
    async def find_outline(request: Request) -> Response:
        """The mask shrunk onto the object that it is drawn around, of the same size; black where none is found."""
        return await answer(request, OutlineUpload, partial(outline, config=config))

    @router.post(FILL, summary="Fill one hole", **answers_file(FillUpload, "A PNG of the hole's rectangles."))
    async def fill(request: Request) -> Response:
        """Fill a hole, given as rectangles of a photo, which earlier fills may cover.

        The answer holds the mask's rectangles, in the photo's bit depth and colour profile, transparent where nothing
        was filled. It is an `earlier` of the next request. `Onar-Filled` is the number of filled pixels.
        """
        return await answer(request, FillUpload, partial(fill_hole, shelf=shelf, config=config))

    @router.post(CLONE, summary="Clone or heal", **answers_file(CloneUpload, "A PNG of the stroke's rectangles."))
    async def clone(request: Request) -> Response:
        """Copy pixels of another place of the photo, with its earlier fills, along a stroke.

        The answer is that of a fill; pixels whose source is not in the photo are transparent in it.
        """
        return await answer(request, CloneUpload, partial(clone_stroke, config=config))

    @router.post(FIND, summary="Find damage and text", **answers_file(FindUpload, "The mask, a grey PNG."))
    async def find(request: Request) -> Response:
        """A mask of the upright photo's size: white is what was found; earlier fills may cover the photo.

        `Onar-Share` is the share of the photo that was found.
        """
        return await answer(request, FindUpload, partial(find_damage, shelf=shelf, config=config))

    @router.post(
        "/api/save", summary="Save a photo with its fills", **answers_file(SaveUpload, "The photo.", "image/*")
    )
    async def save(request: Request) -> Response:
        """The photo with all fills, the same file as of completing; `Onar-Losses` is what it leaves out."""
        return await answer(request, SaveUpload, partial(save_photo, config=config))

    _add_routes_by_id(router, kept, shares)
    return router


def _add_routes_by_id(router: APIRouter, kept: KeptPhotos, shares: Shares) -> None:
    """Add the endpoints that the server answers itself."""

    @router.delete(f"{PHOTOS}{{photo_id}}", summary="Drop a kept photo", status_code=204, response_model=None)
    async def forget(photo_id: str) -> None:
        """The answer does not reveal whether there was one."""
        kept.forget(photo_id)

    @router.get(f"{PROGRESS}{{work_id}}", summary="Progress of a fill")
    async def progress(work_id: str) -> FillProgress:
        """The share that is done of the fill with that `work_id`; null before its turn, and when there is none."""
        return FillProgress(share=shares.of(work_id))


async def _answer(
    worker: Worker,
    kept: KeptPhotos,
    shares: Shares,
    request: Request,
    model: type[Any],
    work: Callable[[Any], Answer],
) -> Response:
    """Have the child process do what a form asks for."""
    with worker.place():
        upload = await read_form(request, model)
        if getattr(upload, "photo_id", ""):
            upload = upload.model_copy(update={"photo": kept.read(upload.photo_id)})
        with shares.showing(getattr(upload, "work_id", "")) as reached:
            done = await run_while_there(request, worker, partial(work, upload), reached)
    headers = {**done.headers, **_kept_header(upload, kept)}
    return Response(done.content, media_type=done.media_type, headers=headers)


def _kept_header(upload: BaseModel, kept: KeptPhotos) -> dict[str, str]:
    """Keep a photo where requested; returns the header with its id."""
    if not (isinstance(upload, PhotoUpload) and upload.keep) or upload.photo_id:
        return {}
    kept.forget(upload.instead_of)
    photo_id = kept.keep(upload.photo)
    return {} if photo_id is None else {"Onar-Photo": photo_id}
