"""Query parameters: refused where the endpoint reads none."""

from __future__ import annotations

from fastapi import Request

from onar.errors import UsageError
from onar.serve.http.uploads import shorten


def refuse_unread_query(request: Request) -> None:
    """Raise `UsageError` for query parameters of a route without any: a misplaced option would have no effect."""
    if request.query_params and not request.scope["route"].dependant.query_params:
        name = next(iter(request.query_params))
        raise UsageError(f"{shorten(name)}: this endpoint has no query parameters; options are fields of the body")
