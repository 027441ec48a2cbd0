"""Errors of the server; `http/problems.py` gives each a status."""

from __future__ import annotations

from onar.errors import OnarError, UsageError


class MalformedError(OnarError):
    """A body that is not a form or not JSON."""


class ContentTypeError(OnarError):
    """A body of another content type than a form or JSON."""


class BodyTooLargeError(OnarError):
    """A body of more bytes than allowed."""


class SlowBodyError(OnarError):
    """A body that did not arrive in time."""


class TooManyFillsError(OnarError):
    """Earlier fills with more pixels in total than allowed."""


class PhotoGoneError(OnarError):
    """A photo that is no longer kept, or never was; the client can send it again."""


class UnknownWeightsError(UsageError):
    """There are no weights of that name, or no longer."""


class BusyError(OnarError):
    """The queue is full, or weights had to be loaded first; it is worth trying again in `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int = 1) -> None:  # a default, so that it can be pickled
        super().__init__(message)
        self.retry_after = retry_after


class StoppingError(OnarError):
    """The server is being stopped, and takes no more requests."""


class TimeLimitError(OnarError):
    """The work was not done in the time allowed."""


class TooMuchWorkError(OnarError):
    """The work would take more than the time allowed."""


class CancelledError(OnarError):
    """The work was cancelled."""


class LostChildError(OnarError):
    """The child process ended in the middle of its work."""
