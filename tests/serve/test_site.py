"""The page over HTTP, without a browser."""

import io
import json
import re
from pathlib import Path

import httpx
import pytest
from PIL import Image
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from onar.checkpoint import save_weights
from onar.imaging.losses import LOSSES
from onar.models import PConvUNet
from onar.serve import server as serve_verb
from onar.serve import site
from onar.weights.catalogue import CATALOGUE
from tests.conftest import REPOSITORY
from tests.serve.conftest import HOST_NAME
from tests.support.runs import run_onar
from tests.support.server import Server, needs_page, server_in_process

WEB = REPOSITORY / "web"

pytestmark = [pytest.mark.process, needs_page]


def get(server: Server, path: str, **headers: str) -> httpx.Response:
    return httpx.get(server.url + path, headers=headers, timeout=60)


# ---------------------------------------------------------------- what is there
def test_the_page_and_all_it_names_come_from_the_server(server: Server) -> None:
    page = get(server, "/")
    assert page.headers["content-type"].startswith("text/html")
    names = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {"./page.js", "./page.css"} <= set(names)
    for name in names:
        assert re.fullmatch(r"\./[\w.-]+", name)  # also under a proxy's path
        assert get(server, name[1:]).status_code == 200


def test_the_page_may_load_nothing_from_elsewhere_and_runs_only_its_own_files(server: Server) -> None:
    page = get(server, "/")
    policy = dict(rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; "))
    assert (policy["default-src"], policy["frame-ancestors"]) == ("'self'", "'none'")
    assert "script-src" not in policy
    assert not re.search(r"<script(?![^>]*src=)|<style| on\w+=|javascript:", page.text)


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.css"])
def test_a_page_of_an_earlier_version_is_never_shown_and_the_same_one_not_sent_again(server: Server, path: str) -> None:
    first = get(server, path)
    assert first.headers["cache-control"] == "no-cache"
    again = get(server, path, **{"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_page_gets_a_description_of_the_server(server: Server, weights_folder: Path) -> None:
    answer = get(server, "/onar.json")
    assert answer.headers["cache-control"] == "no-store"
    site = answer.json()
    declared = (WEB / "src" / "site.ts").read_text()
    fields = re.search(r"interface Common \{(.*?)\n\}.*interface ServerSite .*?\{(.*?)\n\}", declared, re.S)
    assert set(site) == set(re.findall(r"^  (\w+): ", fields[1] + fields[2], re.M))
    assert (site["engine"], site["max_megapixels"]) == ("server", 10)
    assert [one for one in site["weights"] if one["name"] not in CATALOGUE] == [
        {"name": "pyramid", "default": True, "kind": "pyramid", "licence": None},
        {"name": "generator_small.pth", "default": False, "kind": "trained", "licence": None},
        {"name": "bundled", "default": False, "kind": "bundled", "licence": "MIT"},
    ]
    new = weights_folder / "generator_final.pth"
    save_weights(new, PConvUNet(base_channels=4, depth=3))
    assert "generator_final.pth" in [choice["name"] for choice in get(server, "/onar.json").json()["weights"]]
    new.unlink()


def test_example_photos_are_served(server: Server) -> None:
    examples = get(server, "/onar.json").json()["examples"]
    assert len(examples) > 5
    for name in examples:
        answer = get(server, f"/{name}")
        assert answer.headers["content-type"] == "image/jpeg"
        assert min(Image.open(io.BytesIO(answer.content)).size) > 100


# ---------------------------------------------------------------- what is not
@pytest.mark.parametrize(
    "path",
    ["/../pyproject.toml", "/..%2f..%2f..%2f..%2f..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/weights/onar.onnx",
     "//etc/passwd", "/etc/passwd", "/examples/../../weights/onar.onnx",
     "/examples/..%2f..%2fweights/onar.onnx", "/examples/%2fetc/passwd", "/page.js%00", "/examples",
     "/examples/"],
)  # fmt: skip
def test_no_file_but_the_page_s_own_is_served(server: Server, path: str) -> None:
    host, port = server.address
    with httpx.Client() as client:  # which, unlike a browser, sends the path as it is
        request = client.build_request("GET", f"http://{host}:{port}/")
        request.url = request.url.copy_with(raw_path=path.encode())
        answer = client.send(request)
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/api/nothing", 404, "not_found"),
        ("POST", "/api", 404, "not_found"),
        ("GET", "/api/complete", 405, "method_not_allowed"),
        ("GET", "/api/fill", 405, "method_not_allowed"),
        ("DELETE", "/api/model", 405, "method_not_allowed"),
        ("POST", "/metrics", 405, "method_not_allowed"),
        ("POST", "/api/complete", 415, "bad_content_type"),
        ("POST", "/", 405, "method_not_allowed"),
        ("PUT", "/page.js", 405, "method_not_allowed"),
        ("POST", "/onar.json", 405, "method_not_allowed"),
        ("POST", "/examples/skimage_chelsea.jpg", 405, "method_not_allowed"),
    ],
)
def test_errors_are_the_documented_json(server: Server, method: str, path: str, status: int, error: str) -> None:
    answer = httpx.request(method, server.url + path, timeout=60)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert set(answer.json()) == {"error", "message"}


@pytest.mark.parametrize(
    "path", ["/api/health", "/api/model", "/metrics", "/api/docs", "/api/openapi.json", "/", "/page.js", "/onar.json"]
)
def test_head_is_answered_like_get_without_the_content(server: Server, path: str) -> None:
    answer = httpx.head(server.url + path, timeout=60)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == get(server, path).headers["content-type"]


@pytest.mark.parametrize("path", ["/", "/onar.json", "/api/model", "/examples/skimage_chelsea.jpg"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_no_other_site_may_read_the_page_under_any_name_of_the_server(server: Server, method: str, path: str) -> None:
    headers = {"Host": HOST_NAME, "Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}
    answer = httpx.request(method, server.url + path, headers=headers, timeout=60)
    assert answer.status_code == (200 if method == "GET" else 405)
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert not any(name.startswith("access-control-") for name in answer.headers)


def test_a_key_or_password_is_asked_for_before_anything_of_the_page_is_shown() -> None:
    with server_in_process(auth="ada:secret", api_key="key") as client:
        for path in ("/", "/page.js", "/onar.json", "/examples/skimage_chelsea.jpg"):
            refused = client.get(path)
            assert (refused.status_code, refused.json()["error"]) == (401, "unauthorized")
            assert client.get(path, auth=("ada", "secret")).status_code == 200
            assert client.get(path, headers={"Authorization": "Bearer key"}).status_code == 200


# ---------------------------------------------------------------- where it is missing
def test_without_a_built_page_the_api_alone_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[object] = []

    def ask(app: ASGIApp, *_: object) -> None:
        with TestClient(app, base_url="http://127.0.0.1") as client:
            answers.extend([client.get("/api/health").json(), client.get("/").json()["error"]])

    monkeypatch.setattr(site, "bundled_page", lambda: tmp_path)
    monkeypatch.setattr(serve_verb, "_run", ask)
    monkeypatch.setattr(serve_verb.signal, "signal", lambda *_: None)
    said = run_onar("serve", "--port", 0, "--weights", "pyramid").err
    assert said == "onar: the page is not built, which make page does; serving the HTTP API alone\n"
    assert answers == [{"status": "ok"}, "not_found"]


# ---------------------------------------------------------------- its words
def texts(language: str) -> dict[str, str]:
    lines = (WEB / "src" / "texts" / f"{language}.ts").read_text()
    found = re.findall(r'^  (\w+):\s+("(?:[^"\\]|\\.)*"),$', lines, re.M)
    return {key: json.loads(text) for key, text in found}


def test_all_that_a_result_leaves_out_is_said_in_every_language() -> None:
    english, turkish = texts("english"), texts("turkish")
    shown = {key: text for key, text in english.items() if key.startswith("server_loss_")}
    assert shown == {f"server_loss_{key}": text for key, text in LOSSES.items()}
    assert english.keys() == {key for key in turkish if not key.startswith("name_")}
    for key, text in english.items():
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", turkish[key])), key
