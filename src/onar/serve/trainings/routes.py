"""The trainings of `--results_dir` over HTTP: a list with progress, curves, and sample sheets.

Browsers send the `ETag` of the last response (`If-None-Match`): an unchanged run is neither read nor sent again. Files
are read in threads, independent of the worker: watching a training waits for no photo.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi import Path as InPath
from pydantic import BaseModel, Field

from onar.errors import OnarError
from onar.imaging.formats.png import is_png
from onar.serve.http.problems import Problem
from onar.serve.trainings import runs
from onar.training.results_folder import Results

TRAININGS = "/api/trainings"


class TrainingProblem(BaseModel):
    """Why the files of a training cannot be read."""

    kind: runs.Unreadable = Field(description="Kind of problem, for programs.")
    file: str = Field(description="Name of the file in the results folder.")
    message: str = Field(description="What is wrong, in one line.")


class Training(BaseModel):
    """A training in the list."""

    name: str = Field(description="Name of its results folder.", examples=["runs/first"])
    changed: float = Field(description="Time of its last log line, in seconds since 1970 by the server's clock.")
    finished: bool = Field(description="Whether its final weights exist.")
    progress: runs.TrainingProgress | None = Field(description="null before the first logged step.")
    stopped: bool = Field(description="Whether it ended without them: no process trains in its folder.")
    problem: TrainingProblem | None = Field(description="Why its files cannot be read, or null.")


class Curve(BaseModel):
    """A curve as two lists of equal length; long ones are reduced to means of neighbours."""

    epochs: list[float] = Field(description="Ascending; fractions within an epoch.")
    values: list[float]


class Sheet(BaseModel):
    """An existing sample sheet."""

    epoch: int
    changed: float = Field(description="Modification time, in seconds since 1970.")


class TrainingInFull(Training):
    """A training with a curve for each logged value."""

    losses: dict[str, Curve] = Field(description="Curves by name of the loss.")
    scores: dict[str, dict[str, Curve]] = Field(description="Curves by name of the score, then by method.")
    sheets: list[Sheet] = Field(description="By ascending epoch.")


_UNCHANGED: dict[int | str, dict[str, object]] = {304: {"description": "Unchanged (`If-None-Match`)."}}
_NO_TRAINING: dict[int | str, dict[str, object]] = {404: {"model": Problem, "description": "not_found"}}


def training_routes(roots: Sequence[Path]) -> APIRouter:
    """The endpoints of trainings in `roots`: results folders, or folders of them; nothing else is read.

    Requested names are looked up among those found there, and never used as paths.
    """
    router = APIRouter(prefix=TRAININGS, tags=["trainings"])

    @router.get("", summary="The trainings, the newest first", responses=_UNCHANGED, response_model=list[Training])
    def list_trainings(request: Request, response: Response) -> object:
        found = {name: (folder, runs.state_of(folder)) for name, folder in runs.find_runs(roots).items()}
        states = [(name, state) for name, (_, state) in found.items()]
        return _if_changed(request, response, states, lambda: [_list_entry(name, *run) for name, run in found.items()])

    # Before the route of the training itself, which would match, too: names may contain slashes.
    @router.get(
        "/{name:path}/sheets/{epoch}",
        summary="A sample sheet: masked, completed, original",
        response_class=Response,
        responses={200: {"content": {"image/png": {}}}, **_UNCHANGED, **_NO_TRAINING},
    )
    def show_sheet(
        name: str,
        epoch: Annotated[int, InPath(ge=1)],
        request: Request,
        response: Response,
        _version: Annotated[str, Query(alias="changed", description="Makes the URL of a sheet unique.")] = "",
    ) -> object:
        folder = _folder(roots, name)
        changed = runs.find_sheets(folder).get(epoch)
        if changed is None:
            raise HTTPException(404, f"this training has no sample sheet of epoch {epoch}")
        return _if_changed(request, response, (folder, epoch, changed), lambda: _read_sheet(folder, epoch, response))

    @router.get(
        "/{name:path}",
        summary="A training: its curves, and its sample sheets",
        responses={**_UNCHANGED, **_NO_TRAINING},
        response_model=TrainingInFull,
    )
    def show_training(name: str, request: Request, response: Response) -> object:
        folder = _folder(roots, name)
        state, sheets = runs.state_of(folder), runs.find_sheets(folder)
        return _if_changed(request, response, (folder, state, sheets), lambda: _details(name, folder, state, sheets))

    return router


def _folder(roots: Sequence[Path], name: str) -> Path:
    folder = runs.find_runs(roots).get(name)
    if folder is None:
        raise HTTPException(404, f"there is no such training; {TRAININGS} names those there are")
    return folder


def _if_changed(request: Request, response: Response, state: object, answer: Callable[[], object]) -> object:
    """The response with an ETag of the state it is made from; 304 when the client has that already."""
    etag = f'"{hashlib.sha256(repr((version("onar"), state)).encode()).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    seen = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in seen:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return answer()


def _list_entry(name: str, folder: Path, state: runs.State) -> Training:
    progress = runs.summary(folder, state)
    return Training(
        name=name,
        changed=state.changed / 1e9,
        finished=state.finished,
        progress=progress if isinstance(progress, runs.TrainingProgress) else None,
        stopped=state.stopped,
        problem=TrainingProblem(kind=progress.kind, file=progress.file, message=str(progress))
        if isinstance(progress, runs.UnreadableRunError)
        else None,
    )


def _details(name: str, folder: Path, state: runs.State, sheets: dict[int, float]) -> TrainingInFull:
    short = _list_entry(name, folder, state)
    run = runs.LoggedRun(None) if short.problem else runs.read_run(folder, state)
    return TrainingInFull(
        **short.model_dump(),
        losses={loss: _curve(curve) for loss, curve in run.losses.items()},
        scores={
            score: {method: _curve(curve) for method, curve in curves.items()} for score, curves in run.scores.items()
        },
        sheets=[Sheet(epoch=epoch, changed=changed) for epoch, changed in sheets.items()],
    )


def _curve(points: runs.Series) -> Curve:
    return Curve(epochs=[epoch for epoch, _ in points], values=[value for _, value in points])


def _read_sheet(folder: Path, epoch: int, response: Response) -> Response:
    """A sheet's file; any other file, such as behind a symbolic link, is not sent."""
    try:
        content = Results(folder).samples(epoch).read_bytes()
    except OSError as error:
        raise OnarError(f"the sample sheet of epoch {epoch} cannot be read: {error.strerror}") from error
    if not is_png(content):
        raise OnarError(f"the sample sheet of epoch {epoch} is no PNG file")
    return Response(content, media_type="image/png", headers=dict(response.headers))
