"""The description for generated clients."""

from typing import Any

import pytest

from tests.support.server import server_in_process


def described(**settings: object) -> dict[str, Any]:
    with server_in_process(**settings) as client:
        auth = ("ada", "secret") if "auth" in settings else None
        answer = client.get("/api/openapi.json", auth=auth)
        assert answer.status_code == 200
        return dict(answer.json())


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return described()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {path: operation for path, by_method in document["paths"].items() for operation in by_method.values()}


def test_completing_is_first_and_its_files_are_its_first_fields(document: dict[str, Any]) -> None:
    path, operation = next(iter(operations(document).items()))
    assert path == "/api/complete"
    for content in operation["requestBody"]["content"].values():
        assert list(content["schema"]["properties"])[:2] == ["photo", "mask"]
        assert content["schema"]["required"] == ["photo"]


def test_each_operation_has_a_short_name_of_its_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(document).values()]
    assert "complete" in names
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and len(name) < 20 for name in names)


def test_every_refusal_is_declared(document: dict[str, Any]) -> None:
    for path, operation in operations(document).items():
        expected = {"400", "429", "500"} | (set() if path == "/api/health" else {"401", "403"})
        if "requestBody" in operation:
            expected |= {"408", "413", "415", "422", "503", "504"}
        assert set(operation["responses"]) >= expected, path
        for status in expected - {"429"}:
            (content,) = operation["responses"][status]["content"].items()
            assert content == ("application/json", {"schema": {"$ref": "#/components/schemas/Problem"}})
    words = operations(document)["/api/complete"]["responses"]["500"]["description"].split(", ")
    assert words == ["internal", "out_of_memory"]


@pytest.mark.parametrize(
    ("settings", "needed"),
    [({}, []), ({"auth": "ada:secret"}, ["password"]), ({"auth": "ada:secret", "api_key": "k"}, ["key", "password"])],
)
def test_keys_and_passwords_are_declared_where_they_are_needed(settings: dict[str, str], needed: list[str]) -> None:
    document = described(**settings)
    schemes = {name: scheme["scheme"] for name, scheme in document["components"]["securitySchemes"].items()}
    assert schemes == {"key": "bearer", "password": "basic"}
    for path, operation in operations(document).items():
        expected = [] if path == "/api/health" else needed  # either is enough, so each is an entry of its own
        assert [next(iter(entry)) for entry in operation.get("security", [])] == expected
