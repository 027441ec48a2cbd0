"""A line for each request on stdout: when, what, with which result, how large and how long.

There is nothing of photos in it, no name of an uploaded file, no query, no id of a kept photo and no address: behind a
proxy, that is the proxy's, which has its own log. Requests for the progress of others are left out.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import quote

from starlette.types import Scope

from onar.serve.config import AccessLogStyle
from onar.serve.http.paths import PHOTOS, PROGRESS, own_path
from onar.serve.http.records import RequestRecord
from onar.system.console import say

_MAX_PATH = 200
"""Characters of a path; longer ones are cut off."""


def log_request(style: AccessLogStyle, scope: Scope, record: RequestRecord, seconds: float) -> None:
    """Print the line of a request as text or JSON, or with style none nothing; `seconds` is its whole time."""
    if style == "none" or own_path(scope).startswith(PROGRESS):
        return
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "method": quote(str(scope["method"])),
        "path": _shown_path(scope),
        "status": record.status,
        "received": record.received,
        "sent": record.sent,
        "seconds": round(seconds, 3),
        "waited": round(record.waited, 3),
        **({"error": record.error} if record.error else {}),
    }
    if style == "json":
        say(json.dumps(line))
    else:
        time, method, path, status, *_ = line.values()
        say(" ".join([f"{time} {method} {path} {status}", *(f"{key}={line[key]}" for key in list(line)[4:])]))


def _shown_path(scope: Scope) -> str:
    """The path, percent-encoded, so that it has no spaces and breaks no line; without the id of a photo."""
    path = own_path(scope)
    if path.startswith(PHOTOS):
        return f"{PHOTOS}*"
    return quote(path[:_MAX_PATH], safe="/:@!$&'()*+,;=~")
