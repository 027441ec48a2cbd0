import io
import json
import os
import re
import signal
import socket
import struct
import zlib
from base64 import b64encode, encodebytes
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import psutil
import pytest
import torch
from PIL import Image, ImageCms

from onar import Inpainter, PConvUNet
from onar.checkpoint import save_weights
from onar.errors import UsageError
from onar.imaging.formats.endings import FORMATS
from onar.imaging.formats.png import write_png
from onar.imaging.images import PhotoBytes
from onar.imaging.photo_file import read_photo_file
from onar.serve.config import ServeConfig
from onar.serve.http.guard import check_exposure
from onar.system.memory import available_memory
from onar.weights.catalogue import CATALOGUE
from tests.support import bad_requests
from tests.support.bad_requests import HOSTILE_NAMES, JPEG, MASK, PATH, PHOTO, REQUESTS, form
from tests.support.pictures import a_hole, a_mask, a_photo, encode, written
from tests.support.runs import has_ended, run_onar, wait_until
from tests.support.server import Server, running_server, server_in_process
from tests.support.slow_requests import deep_form, slow_form, slow_requests

pytestmark = pytest.mark.process

LIMITS = (
    *("--max_body_megabytes", bad_requests.MAX_MEGABYTES, "--max_megapixels", bad_requests.MAX_MEGAPIXELS),
    *("--max_whole_megapixels", bad_requests.MAX_WHOLE_MEGAPIXELS),
)

HOSTS = ("127.0.0.1", "::1", "localhost", "0.0.0.0")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "generator_final.pth"
    torch.manual_seed(0)
    save_weights(path, PConvUNet(base_channels=4, depth=3))
    return path


@pytest.fixture(scope="module")
def server(weights: Path) -> Iterator[Server]:
    with running_server("--weights", weights, "--no-page", "--queue", 2, *LIMITS) as server:
        yield server


@pytest.fixture(scope="module")
def hasty_server() -> Iterator[Server]:
    """Has a key, and little time."""
    with running_server("--no-page", "--time_limit", 0.5, "--auth", "ada:secret:word", ONAR_API_KEY="key") as server:
        yield server


def send(server: Server, **request: Any) -> httpx.Response:
    method, url = request.pop("method", "POST"), request.pop("url")
    return httpx.request(method, server.url + url, timeout=60, **request)


def complete(server: Server, photo: bytes = PHOTO, mask: bytes = MASK, **fields: str) -> httpx.Response:
    response = send(server, **form(photo, mask, **fields))
    assert response.status_code == 200, response.text
    return response


def pixels_of(response: httpx.Response) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(response.content)))


# ---------------------------------------------------------------- completing
def test_the_answer_is_what_an_inpainter_returns(server: Server, weights: Path) -> None:
    expected = Inpainter.load(weights, device="cpu")(np.asarray(a_photo()), a_hole())
    assert np.array_equal(pixels_of(complete(server)), expected)


def test_a_request_chooses_its_weights(server: Server) -> None:
    expected = Inpainter.load("pyramid")(np.asarray(a_photo()), a_hole())
    assert np.array_equal(pixels_of(complete(server, weights="pyramid")), expected)
    fields = {"photo": b64encode(PHOTO).decode(), "mask": b64encode(MASK).decode(), "weights": "pyramid"}
    assert np.array_equal(pixels_of(httpx.post(server.url + PATH, json=fields, timeout=60)), expected)


def test_json_in_base64_is_answered_like_a_form(server: Server) -> None:
    fields = {"photo": b64encode(PHOTO).decode(), "mask": b64encode(MASK).decode(), "dilate": 2, "invert_mask": True}
    response = httpx.post(server.url + PATH, json=fields, timeout=60)
    assert response.content == complete(server, dilate="2", invert_mask="true").content


def broken_into_lines(content: bytes) -> str:
    return "\r\n".join(re.findall(".{1,76}", b64encode(content).decode()))


@pytest.mark.parametrize(
    "written",
    [
        broken_into_lines,
        lambda content: encodebytes(content).decode(),
        lambda content: "data:image/png;base64," + b64encode(content).decode(),
        lambda content: "DATA:;name=a.png;BASE64, " + broken_into_lines(content),
        lambda content: "data:image/png;base64," + quote(b64encode(content).decode(), safe=""),
        lambda content: "data:image/png," + quote(content),
    ],
    ids=["lines", "lines of Python", "data URL", "data URL in lines", "escaped data URL", "data URL without base64"],
)
def test_files_in_json_may_be_written_in_every_usual_way(server: Server, written: Callable[[bytes], str]) -> None:
    response = httpx.post(server.url + PATH, json={"photo": written(PHOTO), "mask": written(MASK)}, timeout=60)
    assert response.content == complete(server).content


@pytest.mark.parametrize(
    ("name", "kind"), [("jpg", "JPEG"), ("jpeg", "JPEG"), ("tif", "TIFF"), ("PNG", "PNG"), ("JPG", "JPEG")]
)
def test_a_format_may_be_named_by_an_ending(server: Server, name: str, kind: str) -> None:
    assert Image.open(io.BytesIO(complete(server, format=name).content)).format == kind


@pytest.mark.parametrize("kind", sorted(set(FORMATS.values())))
def test_the_answer_has_the_format_of_the_photo(server: Server, kind: str) -> None:
    response = complete(server, encode(a_photo(), kind))
    assert Image.open(io.BytesIO(response.content)).format == kind
    assert response.headers["content-type"] == Image.MIME[kind]


def test_another_format_may_be_asked_for(server: Server) -> None:
    answer = Image.open(io.BytesIO(complete(server, JPEG, format="png").content))
    assert answer.format == "PNG"
    assert np.array_equal(np.asarray(answer)[~a_hole()], np.asarray(Image.open(io.BytesIO(JPEG)))[~a_hole()])


def test_depth_alpha_exif_and_profile_are_kept(server: Server) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    stored = np.random.default_rng(0).integers(65536, size=(48, 64, 4), dtype=np.uint16)
    sent = written(write_png, stored, exif=exif.tobytes(), icc_profile=profile)
    photo = read_photo_file(PhotoBytes("answer", complete(server, sent).content))
    assert np.array_equal(photo.pixels[~a_hole()], stored[..., :3][~a_hole()])
    assert np.array_equal(photo.alpha, stored[..., 3])
    assert photo.metadata.icc_profile == profile
    assert b"Camera" in photo.metadata.exif


def erased() -> np.ndarray:
    """A photo in which the hole was erased, and in part something beside it."""
    alpha = np.where(a_hole(), 0, 255).astype(np.uint8)
    alpha[:4] = 200
    return np.dstack([np.where(a_hole()[..., None], 255, np.asarray(a_photo())), alpha]).astype(np.uint8)


def test_mask_alpha_fills_erased_pixels_as_the_command_does(server: Server, weights: Path, tmp_path: Path) -> None:
    photo = encode(erased())
    (tmp_path / "photo.png").write_bytes(photo)
    command = "complete", tmp_path / "photo.png", "--mask", "alpha", "--output", tmp_path / "out.png"
    run_onar(*command, "--weights", weights, "--device", "cpu")
    in_form = send(server, url=PATH, files={"photo": photo}, data={"mask": "alpha"}).content
    assert in_form == (tmp_path / "out.png").read_bytes()
    options = {"mask": "alpha", "dilate": 2}
    dilated = send(server, url=PATH, files={"photo": photo}, data=options).content
    assert dilated not in (in_form, photo)
    assert send(server, url=PATH, json={"photo": b64encode(photo).decode(), **options}).content == dilated


def test_a_file_that_holds_the_word_alpha_is_no_mask(server: Server) -> None:
    answer = send(server, url=PATH, files={"photo": encode(erased()), "mask": b"alpha"})
    assert (answer.status_code, answer.json()["error"]) == (415, "not_a_picture")


def test_options_change_the_fill(server: Server) -> None:
    hole, photo = a_hole(), np.asarray(a_photo())
    inverted = encode((~hole).astype(np.uint8) * 255)
    assert complete(server, mask=inverted, invert_mask="true").content == complete(server).content
    assert ((pixels_of(complete(server, dilate="5")) != photo).any(axis=2) & ~hole).any()
    assert complete(server, feather="6").content != complete(server).content


def test_a_photo_without_holes_comes_back_byte_for_byte(server: Server) -> None:
    response = complete(server, JPEG, encode(np.zeros((48, 64), np.uint8)))
    assert response.content == JPEG
    assert response.headers["onar-notes"].startswith("the mask has no hole: its brightest value is 0")


def test_block_names_of_a_photo_do_not_break_the_header_of_notes(server: Server) -> None:
    photo = PHOTO[:-12] + struct.pack(">I4sI", 0, b"ab\r\n", zlib.crc32(b"ab\r\n")) + PHOTO[-12:]
    assert complete(server, photo).headers["onar-notes"] == "its ab?? blocks are left out"


def test_a_mask_that_is_mostly_hole_is_doubted(server: Server) -> None:
    response = complete(server, mask=encode(np.full((48, 64), 255, np.uint8)))
    assert "100% of the photo is hole" in response.headers["onar-notes"]
    assert "use invert_mask" in response.headers["onar-notes"]


@pytest.mark.parametrize("kind", HOSTILE_NAMES)
def test_names_of_files_mean_nothing(server: Server, kind: str) -> None:
    name = HOSTILE_NAMES[kind]
    response = send(server, url=PATH, files={"photo": (name, PHOTO), "mask": (name, MASK)})
    assert response.status_code == 200
    assert response.headers["content-disposition"] == 'inline; filename="completed.png"'


# ---------------------------------------------------------------- refusing
@pytest.mark.parametrize("kind", REQUESTS)
def test_a_bad_request_is_answered_in_one_line(server: Server, kind: str) -> None:
    request, status, error, words = REQUESTS[kind]
    response = send(server, **request)
    answer = response.json()
    assert (response.status_code, set(answer)) == (status, {"error", "message"}), response.text
    assert re.fullmatch(error, answer["error"])
    assert re.search(words, answer["message"])
    assert answer["message"].isprintable()
    assert len(answer["message"]) < 300
    assert not re.search(r"/tmp|/usr|\.py|Traceback|--", answer["message"])


def test_an_endless_body_is_cut_off(server: Server) -> None:
    block = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    sent = 0
    with socket.create_connection(server.address) as connection:
        connection.sendall(head("Transfer-Encoding: chunked"))
        with suppress(ConnectionError):
            while sent < 100_000_000:
                connection.sendall(block)
                sent += len(block)
    assert sent < 50_000_000
    assert httpx.get(f"{server.url}/api/health").status_code == 200


def test_a_head_without_its_body_times_out(hasty_server: Server) -> None:
    with socket.create_connection(hasty_server.address) as connection:
        connection.sendall(head("Content-Length: 1000", "Authorization: Bearer key"))
        answer = HTTPResponse(connection)
        answer.begin()
        expected = {"error": "slow_body", "message": "the request did not arrive within 0.5 s"}
        assert (answer.status, json.loads(answer.read())) == (408, expected)


def test_work_beyond_the_time_limit_is_aborted(hasty_server: Server) -> None:
    response = httpx.post(hasty_server.url + PATH, **slow_form(), auth=("ada", "secret:word"), timeout=60)
    expected = {"error": "time_limit", "message": "not done within 0.5 s"}
    assert (response.status_code, response.json()) == (504, expected)


def test_too_much_work_is_refused_before_it_begins_and_the_next_request_is_answered() -> None:
    mask = np.full((3000, 3000), 255, np.uint8)
    mask[:9] = 0
    large = form(encode(a_photo(3000, 3000), "JPEG"), encode(mask), texture="patches")
    with server_in_process(time_limit=20) as client:
        answer = client.post(**large)
        assert (answer.status_code, answer.json()["error"]) == (422, "time_limit")
        message = r"this would take \d+ s here, and 20 s are allowed: mark less at a time, .*"
        assert re.fullmatch(message, answer.json()["message"])
        assert "\nonar_children_replaced 0.0\n" in client.get("/metrics").text
        assert client.post(**form()).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", f"/api/{name}") for name in ("complete", "view", "mask", "fill", "save")),
        *(("GET", path) for path in ("/api/health", "/api/model", "/api/trainings", "/api/masks", "/metrics")),
    ],
)
def test_query_parameters_are_refused_and_not_ignored(server: Server, method: str, path: str) -> None:
    request = {**form(), "url": f"{path}?dilat=3"} if method == "POST" else {"url": f"{path}?dilat=3"}
    answer = send(server, **request, method=method)
    assert (answer.status_code, answer.json()["error"]) == (422, "bad_request")
    assert "dilat: " in answer.json()["message"]
    assert "422" in httpx.get(f"{server.url}/api/openapi.json").json()["paths"][path][method.lower()]["responses"]


@pytest.mark.parametrize("auth", [None, ("ada", "secret"), ("ada", ""), ("key", "key"), "Bearer", "Bearer keys", "key"])
@pytest.mark.parametrize("path", [PATH, "/metrics", "/api/model", "/api/docs", "/api/openapi.json", "/", "/nothing"])
def test_without_the_key_nothing_is_shown(hasty_server: Server, path: str, auth: Any) -> None:
    headers = {"Authorization": auth} if isinstance(auth, str) else {}
    response = httpx.get(hasty_server.url + path, headers=headers, auth=None if headers else auth)
    assert (response.status_code, response.json()["error"]) == (401, "unauthorized")
    assert response.headers["www-authenticate"].startswith("Basic")


def test_key_and_password_both_open(hasty_server: Server) -> None:
    for request in ({"headers": {"Authorization": "bearer key"}}, {"auth": ("ada", "secret:word")}):
        assert httpx.get(f"{hasty_server.url}/api/model", **request).status_code == 200


def test_health_needs_no_key(hasty_server: Server) -> None:
    assert httpx.get(f"{hasty_server.url}/api/health").json() == {"status": "ok"}


def test_a_foreign_host_name_is_refused(server: Server) -> None:
    assert httpx.get(f"{server.url}/api/health", headers={"Host": "onar.attacker.example"}).status_code == 400


@pytest.mark.parametrize("path", ["/api/health", "/nothing", "/metrics"])
def test_browsers_get_security_headers(server: Server, path: str) -> None:
    headers = httpx.get(server.url + path, headers={"Origin": "http://elsewhere.example"}).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert not any(name.startswith("access-control-") for name in headers)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", ""])
def test_other_computers_are_let_in_only_with_a_key_or_on_purpose(host: str) -> None:
    with pytest.raises(UsageError, match="set a key"):
        check_exposure(ServeConfig(host=host))
    for allowed in ({"api_key": "k"}, {"auth": "a:b"}, {"open_to_all": True}):
        check_exposure(ServeConfig(host=host, **allowed))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_this_computer_needs_no_key(host: str) -> None:
    check_exposure(ServeConfig(host=host))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"port": 70_000}, "port must be from 0 to 65535"),
        ({"queue": 0}, "queue must be at least 1"),
        ({"time_limit": 0}, "time_limit must be above 0"),
        ({"api_key": ""}, "api_key must not be empty"),
        ({"auth": "ada"}, "auth takes USER:PASSWORD"),
        ({"auth": "ada:word\n"}, "auth may have no line breaks"),
        ({"api_key": "şifre"}, "api_key may have printable ASCII characters"),
        ({"api_key": "key\n"}, "api_key may have"),
        ({"api_key": " key"}, "api_key may have"),
        ({"allowed_hosts": ("https://photos.example.org",)}, "allowed_hosts takes names such as photos.example.org"),
        ({"allowed_hosts": ("photos.example.org:443",)}, "allowed_hosts takes names"),
        ({"allowed_hosts": ("*",)}, "allowed_hosts takes names"),
        ({"allowed_hosts": ("",)}, "allowed_hosts takes names"),
        ({"allowed_hosts": ("ş" * 99 + ".example",)}, "allowed_hosts takes names"),
        ({"root_path": "onar"}, "root_path takes a path such as /onar"),
        ({"root_path": "https://photos.example.org/onar"}, "root_path takes a path"),
        ({"root_path": "/onar/../api"}, "root_path takes a path"),
        ({"root_path": "/api"}, "root_path must not be a path of the server's own"),
        ({"max_megapixels": 0}, "max_megapixels must be above 0"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ServeConfig(**settings)


def test_this_computer_alone_may_send_photos_of_100_megapixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onar.serve.config.available_memory", lambda: 16e9)
    limits = {host: (ServeConfig(host=host).megapixel_limit, ServeConfig(host=host).body_limit) for host in HOSTS}
    assert limits == {"127.0.0.1": (100, 200), "::1": (100, 200), "localhost": (100, 200), "0.0.0.0": (24, 32)}
    chosen = ServeConfig(max_megapixels=3, max_body_megabytes=5)
    assert (chosen.pixel_limit, chosen.body_limit) == (3_000_000, 5)


@pytest.mark.parametrize(("free", "megapixels"), [(0.1e9, 24), (1.6e9, 40), (64e9, 100)])
def test_little_memory_takes_smaller_photos(free: float, megapixels: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onar.serve.config.available_memory", lambda: free)
    assert ServeConfig().megapixel_limit == megapixels


def test_free_memory_is_the_least_of_the_computer_and_its_container(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable:    5000000 kB\n")
    assert available_memory(tmp_path, tmp_path) == 5_000_000 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    assert available_memory(tmp_path, tmp_path) == 5_000_000 * 1024
    (tmp_path / "memory.max").write_text("3000000\n")
    assert available_memory(tmp_path, tmp_path) == 2_000_000
    assert available_memory() > 1e6


def test_a_port_in_use_is_one_line(server: Server) -> None:
    port = server.address[1]
    line = rf"onar: cannot listen on 127.0.0.1, port {port}: .*; choose another .*\n"
    assert re.fullmatch(line, run_onar("serve", "--no-page", "--port", port, code=1).err)


# ---------------------------------------------------------------- many at once
def test_a_full_queue_is_refused_at_once_and_the_server_still_answers(server: Server) -> None:
    with slow_requests(server, 2) as results:
        response = send(server, **form())
        assert (response.status_code, response.json()["error"]) == (503, "busy")
        assert int(response.headers["retry-after"]) >= 1
        assert (httpx.get(f"{server.url}/api/health").status_code, server.measure("onar_in_progress")) == (200, 1)
    assert [result.result().status_code for result in results] == [200, 200]
    assert server.measure('onar_requests_total{status="503"}') >= 1


@pytest.mark.parametrize(("path", "options"), [(PATH, {}), ("/api/fill", {"at": "0,0"})])
def test_a_disconnected_client_frees_its_place(server: Server, path: str, options: dict[str, str]) -> None:
    request = httpx.Client().build_request("POST", server.url + path, **{**slow_form(), "data": options})
    with slow_requests(server, 1) as results:
        with socket.create_connection(server.address) as connection:
            lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items())]
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + request.read())
            wait_until(lambda: server.measure("onar_waiting") == 1)
        wait_until(lambda: server.measure("onar_waiting") == 0)
        assert not results[0].done()
        assert send(server, **form()).status_code == 200  # there are two places


def test_requests_in_the_queue_are_completed_before_the_server_stops() -> None:
    with running_server("--no-page", "--stop_seconds", 120) as server, slow_requests(server, 2) as results:
        server.process.terminate()
    assert ([result.result().status_code for result in results], server.process.wait(60)) == ([200, 200], 0)


def test_work_of_a_disconnected_client_ends_and_its_memory_is_freed(server: Server) -> None:
    complete(server)
    replaced, child, before = server.measure("onar_children_replaced"), server.child, server.megabytes
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(server.url + PATH, **deep_form(), timeout=httpx.Timeout(60, read=1))
    wait_until(lambda: server.measure("onar_in_progress") == 0)
    assert complete(server).status_code == 200
    # It ends at its next report, or is killed.
    assert server.measure("onar_children_replaced") - replaced == (server.child != child)
    assert server.megabytes < 1.3 * before


def test_a_child_killed_by_the_system_is_reported_and_the_next_request_is_answered(server: Server) -> None:
    complete(server)
    with ThreadPoolExecutor() as executor:
        asked = executor.submit(send, server, url=PATH, **deep_form())
        wait_until(lambda: server.measure("onar_in_progress") == 1)
        os.kill(server.child, signal.SIGKILL)
        answer = asked.result()
    assert (answer.status_code, answer.json()["error"]) == (500, "out_of_memory")
    assert "not enough memory for this: mark less" in answer.json()["message"]
    complete(server)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_stopped_server_leaves_no_process(stop: signal.Signals) -> None:
    with running_server("--no-page", "--weights", "pyramid") as server:
        child = psutil.Process(server.child)
        assert not has_ended(child)
        server.process.send_signal(stop)
        server.process.wait(60)
    wait_until(lambda: has_ended(child))


def head(*headers: str) -> bytes:
    """The start of a request to complete a photo."""
    lines = [f"POST {PATH} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


# ---------------------------------------------------------------- description of the server
def test_the_server_reports_its_weights_and_limits(server: Server) -> None:
    model = httpx.get(f"{server.url}/api/model").json()
    assert model["weights"] == "generator_final.pth"  # and not where that is
    assert model["max_megapixels"] == bad_requests.MAX_MEGAPIXELS
    choices = {one["name"]: one["licence"] for one in model["choices"] if one["name"] not in CATALOGUE}
    assert choices == {"generator_final.pth": None, "bundled": "MIT", "pyramid": None}
    assert all(one["about"] for one in model["choices"])


def test_requests_are_counted_and_timed(server: Server) -> None:
    complete(server)  # a status is in the list from its first answer on
    names = 'onar_requests_total{status="200"}', 'onar_request_seconds_count{status="200"}'
    before = [server.measure(name) for name in names]
    complete(server)
    assert [server.measure(name) for name in names] == [number + 1 for number in before]


def test_openapi_describes_every_answer(server: Server) -> None:
    post = httpx.get(f"{server.url}/api/openapi.json").json()["paths"][PATH]["post"]
    assert set(post["requestBody"]["content"]) == {"multipart/form-data", "application/json"}
    assert set(post["responses"]) >= {str(status) for _, status, _, _ in REQUESTS.values()} - {"403", "404", "405"}


def test_the_documentation_needs_nothing_from_elsewhere(server: Server) -> None:
    files = re.findall(r'(?:src|href)="([^"]+)"', httpx.get(f"{server.url}/api/docs").text)
    assert len(files) >= 2
    for file in files:
        assert httpx.get(server.url + file).status_code == 200


@pytest.mark.soak
def test_memory_does_not_grow_over_500_requests() -> None:
    sizes = [(512, 512), (300, 800), (701, 433)]
    requests = [form(encode(a_photo(*size), "JPEG"), a_mask(*size)) for size in sizes]

    def send_some(server: Server, count: int) -> float:
        """Resident megabytes afterwards."""
        with ThreadPoolExecutor(4) as executor:
            answers = list(executor.map(lambda number: send(server, **requests[number % 3]), range(count)))
        assert {answer.status_code for answer in answers} == {200}
        return server.megabytes

    with running_server("--no-page") as server:
        before, after = send_some(server, 50), send_some(server, 500)
    print(f"memory: {before:.0f} MB after 50 requests, {after:.0f} MB after 550")
    assert after < 1.05 * before
