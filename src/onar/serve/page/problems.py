"""What goes wrong on the page, told in its language."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from onar.errors import OnarError
from onar.imaging.images import PhotoError, PhotoTooLargeError
from onar.serve.page.texts import say
from onar.serve.worker import BusyError, TimeLimitError

P = ParamSpec("P")
T = TypeVar("T")

SECONDS = 20
"""How long a message stays, unless it is closed."""


class PageError(Exception):
    """Something that a person can put right.

    Args:
        key: of the text that says what to do, in `TEXTS`.
        values: to be put into it.
    """

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


def telling(handler: Callable[P, T]) -> Callable[P, T | Any]:
    """Have a handler of the page, one that takes the request, show what it raises, and leave the page as it is then.

    What nobody foresaw goes to the server's log, too.
    """

    @wraps(handler)
    def tell(*args: P.args, **kwargs: P.kwargs) -> T | Any:
        try:
            return handler(*args, **kwargs)
        except Exception as error:
            problem = _as_problem(error)
            if problem.key == "internal":
                logging.getLogger(__name__).exception("an error on the page")
            request = next(value for value in args if isinstance(value, gr.Request))
            gr.Warning(say(request, problem.key, **problem.values), SECONDS)
            return gr.skip()

    return tell


def _as_problem(error: Exception) -> PageError:
    if isinstance(error, PageError):
        return error
    if isinstance(error, BusyError):
        return PageError("busy", seconds=error.retry_after)
    if isinstance(error, TimeLimitError):
        return PageError("too_slow")
    if isinstance(error, PhotoTooLargeError):
        return PageError("too_large")
    if isinstance(error, PhotoError):
        return PageError("unreadable")
    if isinstance(error, OnarError):
        return PageError("failed", reason=error)
    return PageError("internal")
