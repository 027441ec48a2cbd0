"""The parts of the OpenAPI description that all endpoints share: access, errors of every request, forms and files."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import Response

from onar.serve.config import AccessConfig
from onar.serve.http.paths import OPEN_PATHS
from onar.serve.http.problems import Problem, documented
from onar.serve.http.uploads import body_schema

_SCHEMES = {
    "key": {"type": "http", "scheme": "bearer", "description": "The server's `--api_key`."},
    "password": {"type": "http", "scheme": "basic", "description": "The server's `--auth`."},
}
_EVERYWHERE = {"400": "unknown_host", "401": "unauthorized", "403": "cross_site", "500": "internal"}
"""Words of errors that any endpoint may answer with; open paths need no key."""
_NEED_A_KEY = frozenset({"401", "403"})
_PROXY = {"description": "Of a proxy that limits requests, not of Onar itself; the body is the proxy's own."}


def answers_file(model: type[BaseModel], answer: str, media_type: str = "image/png") -> dict[str, Any]:
    """Arguments of `router.post` for an endpoint that reads a form and answers with a file.

    Args:
        model: the fields of the form.
        answer: what the file is.
        media_type: of the file.
    """
    return {**file_response(answer, media_type), "openapi_extra": {"requestBody": body_schema(model)}}


def file_response(answer: str, media_type: str) -> dict[str, Any]:
    """The arguments for the responses of such an endpoint."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {
        "response_class": Response,
        "responses": {200: {"description": answer, "content": content}, **documented()},
    }


def describe_access_and_errors(app: FastAPI, config: AccessConfig) -> None:
    """Add keys, passwords and the errors of every endpoint to an application's description."""
    generate = app.openapi
    security: list[dict[str, list[str]]] = [
        {name: []} for name, secret in (("key", config.api_key), ("password", config.auth)) if secret
    ]

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            description = generate()
            _complete(description, security)
            app.openapi_schema = description
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(description: dict[str, Any], security: list[dict[str, list[str]]]) -> None:
    description["components"]["securitySchemes"] = _SCHEMES
    for path, operations in description["paths"].items():
        for operation in operations.values():
            is_open = path in OPEN_PATHS
            if security and not is_open:
                operation["security"] = security
            responses = operation["responses"]
            for status, word in _EVERYWHERE.items():
                if not (is_open and status in _NEED_A_KEY):
                    _add(responses, status, word)
            responses["429"] = _PROXY
            operation["responses"] = dict(sorted(responses.items()))


def _add(responses: dict[str, Any], status: str, word: str) -> None:
    """Add the word of an error to the response of a status, which may be described already."""
    reference = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    response = responses.setdefault(status, {"description": "", "content": {"application/json": {"schema": reference}}})
    words = [*filter(None, response["description"].split(", ")), word]
    response["description"] = ", ".join(dict.fromkeys(words))
