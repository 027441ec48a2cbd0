"""What stands behind the question mark of an address: refused where nothing would read it."""

from __future__ import annotations

from fastapi import Request

from onar.errors import UsageError
from onar.serve.http.uploads import shorten


def refuse_unread_query(request: Request) -> None:
    """Raise `UsageError` for parameters of a route that has none: an option in the wrong place would do nothing."""
    if request.query_params and not request.scope["route"].dependant.query_params:
        name = next(iter(request.query_params))
        raise UsageError(f"{shorten(name)}: nothing is read from the address here; options are fields of the body")
