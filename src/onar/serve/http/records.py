"""Facts of a request, recorded while it is handled, for metrics and the access log."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import Scope

_KEY = "onar.record"


@dataclass
class RequestRecord:
    """Facts of a request; bytes are those of bodies.

    Attributes:
        status: of the answer; 0 before it began.
        error: the word of an error; empty for none.
        received: bytes that were read.
        sent: bytes of the answer.
        waited: seconds in the queue.
    """

    status: int = 0
    error: str = ""
    received: int = 0
    sent: int = 0
    waited: float = 0.0

    def wait(self, seconds: float) -> None:
        """Record the time in the queue."""
        self.waited = seconds


def record_of(scope: Scope) -> RequestRecord:
    """The record of a request; copies of a scope share it, once it is there."""
    record: RequestRecord = scope.setdefault(_KEY, RequestRecord())
    return record
