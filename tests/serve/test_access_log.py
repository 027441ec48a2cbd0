"""Lines of the access log, and what is counted of refusals."""

import json
import re
from typing import Any

import pytest

from tests.support.bad_requests import JPEG, MASK, PATH, PHOTO, form
from tests.support.server import Server, running_server, server_in_process
from tests.support.slow_requests import slow_requests

SECRET = "holiday_in_ankara.jpg"


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_each_request_is_a_line_of_json_with_its_result_size_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    with server_in_process(access_log="json") as client:
        answer = client.request("POST", PATH, files={"photo": (SECRET, PHOTO), "mask": (SECRET, MASK)})
        (line,) = lines_of(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["time"])
    assert (line["method"], line["path"], line["status"]) == ("POST", PATH, 200)
    assert (line["received"], line["sent"]) == (len(answer.request.content), len(answer.content))
    assert line["seconds"] >= line["waited"] >= 0
    assert set(line) == {"time", "method", "path", "status", "received", "sent", "seconds", "waited"}


def test_refusals_are_lines_and_are_counted_by_their_word(capsys: pytest.CaptureFixture[str]) -> None:
    key = {"Authorization": "Bearer key"}
    with server_in_process(access_log="json", api_key="key", max_megapixels=0.001) as client:
        client.post(PATH)
        client.post(PATH, headers={**key, "Sec-Fetch-Site": "cross-site"})
        client.post(**{name: value for name, value in form().items() if name != "method"}, headers=key)
        client.get("/nothing", headers={**key, "Host": "elsewhere.example"})
        client.get("/api/nothing", headers=key)
        numbers = client.get("/metrics", headers=key).text
        found = [(line["status"], line.get("error")) for line in lines_of(capsys)]
    refused = [(401, "unauthorized"), (403, "cross_site"), (413, "too_many_pixels"), (400, "unknown_host")]
    refused += [(404, "not_found")]
    assert found == [*refused, (200, None)]
    for status, word in refused:
        assert f'onar_errors_total{{error="{word}"}} 1.0' in numbers
        counted = f'onar_request_seconds_count{{status="{status}"}} 1.0'
        assert (counted in numbers) == (word in ("unauthorized", "cross_site", "too_many_pixels"))


def test_nothing_of_photos_is_in_the_log_and_no_path_breaks_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with server_in_process(access_log="text") as client:
        files = {"photo": (SECRET, JPEG)}
        kept = client.post("/api/view", files=files, data={"keep": "true"}).headers["onar-photo"]
        client.delete(f"/api/photos/{kept}")
        client.get(f"/api/model?{SECRET}")
        client.get("/a%0Ab%20c%22%1b%C3%BC/" + "x" * 1000)
        said = capsys.readouterr().out
    assert kept not in said
    assert SECRET not in said
    lines = said.splitlines()
    assert len(lines) == 4
    for line in lines:
        assert re.fullmatch(
            r"\S+ \w+ /\S{,230} \d{3} received=\d+ sent=\d+ seconds=[\d.]+ waited=[\d.]+( error=\w+)?", line
        )
    assert "DELETE /api/photos/* 204" in lines[1]
    assert lines[2].endswith("error=bad_request")
    assert "GET /a%0Ab%20c%22%1B%C3%BC/xxx" in lines[3]


def test_by_default_there_is_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    with server_in_process() as client:
        assert client.get("/api/health").status_code == 200
    assert capsys.readouterr().out == ""


@pytest.mark.process
def test_the_line_says_how_long_a_request_waited_for_its_turn() -> None:
    with running_server("--no-page", "--access_log", "json") as server:
        with slow_requests(server, 2) as results:
            pass
        assert [result.result().status_code for result in results] == [200, 200]
        first, second = completions(server, 2)
    assert first["waited"] < first["seconds"]
    assert second["seconds"] > second["waited"] > first["waited"]


def completions(server: Server, count: int) -> list[dict[str, Any]]:
    """The lines of this number of photos."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        line = json.loads(server.process.stdout.readline())
        found += [line] if line["path"] == PATH else []
    return found
