"""Errors as clients get them: a status, a word for programs and one line for people."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from onar.errors import OnarError, UsageError
from onar.imaging.images import NotAPhotoError, PhotoError, PhotoTooLargeError
from onar.inference.holes import SizesDifferError
from onar.serve.uploads import BodyTooLargeError, ContentTypeError, MalformedError, SlowBodyError
from onar.serve.worker import BusyError, TimeLimitError

PROBLEMS: dict[type[OnarError], tuple[int, str]] = {
    MalformedError: (400, "malformed"),
    PhotoError: (400, "bad_picture"),
    SlowBodyError: (408, "slow_body"),
    BodyTooLargeError: (413, "body_too_large"),
    PhotoTooLargeError: (413, "too_many_pixels"),
    ContentTypeError: (415, "bad_content_type"),
    NotAPhotoError: (415, "not_a_picture"),
    SizesDifferError: (422, "sizes_differ"),
    UsageError: (422, "bad_request"),
    OnarError: (500, "internal"),
    BusyError: (503, "busy"),
    TimeLimitError: (504, "time_limit"),
}
"""Status and word of each error; of several that fit, those of the most special one."""

_GONE = 499
"""The usual status, though nobody reads it, of a request whose client went away."""


class Problem(BaseModel):
    """The body of every answer but success."""

    error: str = Field(description="What kind of error, for programs.", examples=["sizes_differ"])
    message: str = Field(description="What is wrong, for people, in one line.")


def problem_response(status: int, error: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error as JSON."""
    content = Problem(error=error, message=" ".join(message.split())).model_dump()
    return JSONResponse(content, status, headers)


def add_handlers(app: FastAPI) -> None:
    """Let every error of an application be answered in one way."""
    app.add_exception_handler(OnarError, _onar_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unexpected)


def documented() -> dict[int | str, dict[str, object]]:
    """The answers to errors for OpenAPI."""
    words: dict[int, list[str]] = {}
    for status, word in PROBLEMS.values():
        words.setdefault(status, []).append(word)
    return {status: {"model": Problem, "description": ", ".join(names)} for status, names in sorted(words.items())}


async def _onar_error(_request: Request, error: Exception) -> Response:
    status, word = next(PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS)
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, BusyError) else None
    return problem_response(status, word, str(error), headers)


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    word = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
    return problem_response(error.status_code, word, str(error.detail), dict(error.headers or {}))


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=_GONE)


async def _unexpected(_request: Request, _error: Exception) -> Response:
    return problem_response(500, "internal", "an error in Onar itself; the server's log says more")
