"""The trainings of `--results_dir` over HTTP: which there are, how far they are, their curves and sample sheets.

Whoever looks again says what was seen last (`If-None-Match`), as browsers do by themselves, and a run in which nothing
has changed is neither read nor sent. The files are read in threads, and apart from the worker: looking at a training
waits for no photo.
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
from onar.serve.http.problems import Problem
from onar.serve.trainings import logs as files
from onar.training.results_folder import Results

TRAININGS = "/api/trainings"
_PNG = b"\x89PNG\r\n\x1a\n"


class TrainingProgress(BaseModel):
    """How far a training is, by the last step that it logged."""

    epoch: int = Field(description="Which is being trained, from 1.")
    epochs: float = Field(description="How many there will be; a broken number when steps or minutes end it earlier.")
    epochs_done: float = Field(description="How many there have been; a broken number within one.")
    step: int
    images_per_second: float
    seconds_left: float = Field(description="Of training, at the speed of the last epoch; validation comes on top.")


class TrainingProblem(BaseModel):
    """What is wrong with the files of a training."""

    kind: files.Unreadable = Field(description="For programs.")
    file: str = Field(description="Which file, by its name in the results folder.")
    message: str = Field(description="For people, in one line.")


class Training(BaseModel):
    """A training in one line."""

    name: str = Field(description="Of its results folder.", examples=["runs/first"])
    changed: float = Field(description="When it last logged something, in seconds since 1970 by the server's clock.")
    finished: bool = Field(description="Whether its final weights are there.")
    progress: TrainingProgress | None = Field(description="null before the first step is logged.")
    stopped: bool = Field(description="Whether it ended before that: no process trains into its folder any more.")
    problem: TrainingProblem | None = Field(description="Why its files cannot be read.")


class Curve(BaseModel):
    """A curve, as two lists of the same length; a long one is thinned to the means of neighbours."""

    epochs: list[float] = Field(description="Rising; broken numbers within an epoch.")
    values: list[float]


class Sheet(BaseModel):
    """A sample sheet that there is."""

    epoch: int
    changed: float = Field(description="When it was written, in seconds since 1970.")


class TrainingInFull(Training):
    """A training with its curves; what is not logged has none."""

    losses: dict[str, Curve] = Field(description="By the name of the loss.")
    scores: dict[str, dict[str, Curve]] = Field(description="By the name of the score, and by method.")
    sheets: list[Sheet] = Field(description="By rising epoch.")


_UNCHANGED: dict[int | str, dict[str, object]] = {304: {"description": "As it was seen last (`If-None-Match`)."}}
_NO_TRAINING: dict[int | str, dict[str, object]] = {404: {"model": Problem, "description": "not_found"}}


def training_routes(roots: Sequence[Path]) -> APIRouter:
    """What answers about trainings.

    Args:
        roots: results folders, or folders of them; nothing else is looked at. Names are looked up among what is found
            there, and are never taken for paths.
    """
    router = APIRouter(prefix=TRAININGS, tags=["trainings"])

    @router.get("", summary="The trainings, the newest first", responses=_UNCHANGED, response_model=list[Training])
    def list_trainings(request: Request, response: Response) -> object:
        runs = {name: (folder, files.state_of(folder)) for name, folder in files.find_runs(roots).items()}
        states = [(name, state) for name, (_, state) in runs.items()]
        return _unless_seen(request, response, states, lambda: [_in_short(name, *run) for name, run in runs.items()])

    # Before the training itself: a name may have slashes, so that would match, too.
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
        _version: Annotated[str, Query(alias="changed", description="Makes another address of a sheet.")] = "",
    ) -> object:
        folder = _folder(roots, name)
        changed = files.find_sheets(folder).get(epoch)
        if changed is None:
            raise HTTPException(404, f"this training has no sample sheet of epoch {epoch}")
        return _unless_seen(request, response, (folder, epoch, changed), lambda: _read_sheet(folder, epoch, response))

    @router.get(
        "/{name:path}",
        summary="A training: its curves, and which sample sheets there are",
        responses={**_UNCHANGED, **_NO_TRAINING},
        response_model=TrainingInFull,
    )
    def show_training(name: str, request: Request, response: Response) -> object:
        folder = _folder(roots, name)
        state, sheets = files.state_of(folder), files.find_sheets(folder)
        return _unless_seen(request, response, (folder, state, sheets), lambda: _in_full(name, folder, state, sheets))

    return router


def _folder(roots: Sequence[Path], name: str) -> Path:
    folder = files.find_runs(roots).get(name)
    if folder is None:
        raise HTTPException(404, f"there is no such training; {TRAININGS} names those there are")
    return folder


def _unless_seen(request: Request, response: Response, state: object, answer: Callable[[], object]) -> object:
    """The answer, with a mark of the state that it is made from; nothing when the client has that one already."""
    mark = f'"{hashlib.sha256(repr((version("onar"), state)).encode()).hexdigest()[:32]}"'
    headers = {"ETag": mark, "Cache-Control": "no-cache"}
    seen = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if mark in seen:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return answer()


def _in_short(name: str, folder: Path, state: files.State) -> Training:
    progress = files.summary(folder, state)
    return Training(
        name=name,
        changed=state.changed / 1e9,
        finished=state.finished,
        progress=TrainingProgress(**vars(progress)) if isinstance(progress, files.RunProgress) else None,
        stopped=state.stopped,
        problem=_problem(progress) if isinstance(progress, files.UnreadableRunError) else None,
    )


def _problem(error: files.UnreadableRunError) -> TrainingProblem:
    return TrainingProblem(kind=error.kind, file=error.file, message=str(error))


def _in_full(name: str, folder: Path, state: files.State, sheets: dict[int, float]) -> TrainingInFull:
    short = _in_short(name, folder, state)
    run = files.LoggedRun(None) if short.problem else files.read_run(folder, state)
    return TrainingInFull(
        **short.model_dump(),
        losses={loss: _curve(curve) for loss, curve in run.losses.items()},
        scores={
            score: {method: _curve(curve) for method, curve in curves.items()} for score, curves in run.scores.items()
        },
        sheets=[Sheet(epoch=epoch, changed=changed) for epoch, changed in sheets.items()],
    )


def _curve(points: files.Series) -> Curve:
    return Curve(epochs=[epoch for epoch, _ in points], values=[value for _, value in points])


def _read_sheet(folder: Path, epoch: int, response: Response) -> Response:
    """A sheet as it was written; what is no picture does not leave the server, wherever a link may lead."""
    try:
        content = Results(folder).samples(epoch).read_bytes()
    except OSError as error:
        raise OnarError(f"the sample sheet of epoch {epoch} cannot be read: {error.strerror}") from error
    if not content.startswith(_PNG):
        raise OnarError(f"the sample sheet of epoch {epoch} is no PNG file")
    return Response(content, media_type="image/png", headers=dict(response.headers))
