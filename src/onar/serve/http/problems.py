"""Error responses: a status, a word for programs and a one-line message."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from onar.errors import OnarError, OutOfMemoryError, UsageError
from onar.finding.finder import TooMuchFoundError
from onar.finding.kinds import MissingExtraError
from onar.imaging.images import MissingDecoderError, NotAPhotoError, PhotoError, PhotoTooLargeError
from onar.inference.holes import SizesDifferError
from onar.serve.errors import (
    BodyTooLargeError,
    BusyError,
    ContentTypeError,
    MalformedError,
    PhotoGoneError,
    SlowBodyError,
    StoppingError,
    TimeLimitError,
    TooManyFillsError,
    TooMuchWorkError,
    UnknownWeightsError,
)

PROBLEMS: dict[type[OnarError], tuple[int, str]] = {
    MalformedError: (400, "malformed"),
    PhotoError: (400, "bad_picture"),
    SlowBodyError: (408, "slow_body"),
    BodyTooLargeError: (413, "body_too_large"),
    PhotoTooLargeError: (413, "too_many_pixels"),
    TooManyFillsError: (413, "too_many_fills"),
    ContentTypeError: (415, "bad_content_type"),
    MissingDecoderError: (415, "missing_decoder"),
    NotAPhotoError: (415, "not_a_picture"),
    SizesDifferError: (422, "sizes_differ"),
    UsageError: (422, "bad_request"),
    TooMuchFoundError: (422, "too_much_found"),
    TooMuchWorkError: (422, "time_limit"),
    UnknownWeightsError: (422, "unknown_weights"),
    OnarError: (500, "internal"),
    OutOfMemoryError: (500, "out_of_memory"),
    PhotoGoneError: (404, "photo_gone"),
    MissingExtraError: (501, "missing_extra"),
    BusyError: (503, "busy"),
    StoppingError: (503, "stopping"),
    TimeLimitError: (504, "time_limit"),
}
"""Status and word of each error; the most derived class applies."""

FLAGS: dict[type[OnarError], str] = {
    BodyTooLargeError: "max_body_megabytes",
    PhotoTooLargeError: "max_megapixels",
    TooManyFillsError: "max_earlier_megapixels",
}
"""The settings with limits. Without dashes, as in all messages of the API; the page says how they are set."""

_WORDS = {403: "forbidden", 404: "not_found", 405: "method_not_allowed"}
"""Words of errors that are only a status."""

_GONE = 499
"""The usual status of a request whose client disconnected."""


ERROR = "Onar-Error"
"""Header with the word of an error."""


class Problem(BaseModel):
    """The body of every error response."""

    error: str = Field(description="Kind of error, for programs.", examples=["sizes_differ"])
    message: str = Field(description="What is wrong, in one line.")


def problem_response(status: int, error: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error as JSON; its word is in a header, too, for the log and the metrics."""
    content = Problem(error=error, message=" ".join(message.split())).model_dump()
    return JSONResponse(content, status, {ERROR: error, **(headers or {})})


def answer_to(error: OnarError) -> Response:
    """The response to an error."""
    status, word = next(PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS)
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, BusyError) else None
    flag = next((flag for kind, flag in FLAGS.items() if isinstance(error, kind)), "")
    advice = f"; the server's {flag} sets this limit" if flag else ""
    return problem_response(status, word, f"{error}{advice}", headers)


def documented() -> dict[int | str, dict[str, object]]:
    """The error responses, for OpenAPI."""
    words: dict[int, list[str]] = {}
    for status, word in PROBLEMS.values():
        words.setdefault(status, []).append(word)
    described: dict[int | str, dict[str, object]] = {
        status: {"model": Problem, "description": ", ".join(names)} for status, names in sorted(words.items())
    }
    described[503]["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
    return described


async def _onar_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, OnarError)
    return answer_to(error)


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    word = _WORDS.get(error.status_code, "bad_request")
    return problem_response(error.status_code, word, str(error.detail), dict(error.headers or {}))


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problem = error.errors()[0]
    return problem_response(422, "bad_request", f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}")


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=_GONE, headers={ERROR: "gone"})


async def _unexpected(_request: Request, _error: Exception) -> Response:
    return problem_response(500, "internal", "an error in Onar itself; the server's log says more")


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    OnarError: _onar_error,
    HTTPException: _http_error,
    RequestValidationError: _invalid,
    ClientDisconnect: _gone,
    Exception: _unexpected,
}
"""The exception handlers of all applications."""
