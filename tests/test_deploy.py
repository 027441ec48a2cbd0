"""The files in `deploy`, and docs/deploy.md, which shows them."""

import re
import shlex
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from onar.cli import app
from onar.serve.config import ServeConfig
from tests.conftest import REPOSITORY
from tests.support.bad_requests import MASK, PATH
from tests.support.pictures import a_mask, a_photo, encode
from tests.support.proxies import DOCUMENTED, NAME, nginx_with, running_caddy, unused_port
from tests.support.server import Server, running_server
from tools.release.image import PREFIX, health_command, instructions, only

FOLDER = REPOSITORY / "deploy"
DOCUMENT = (REPOSITORY / "docs" / "deploy.md").read_text(encoding="utf-8")
FILES = sorted(path.name for path in FOLDER.iterdir())
STEPS = instructions((FOLDER / "Dockerfile").read_text(encoding="utf-8"))
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))["services"]["onar"]
UNIT = (FOLDER / "onar.service").read_text(encoding="utf-8")


def settings(command: list[str]) -> ServeConfig:
    """The settings of a command line, which must be `onar serve` with flags that exist."""
    assert command[:1] == ["serve"]
    _, bound, *_ = app.parse_args(command, exit_on_error=False, print_error=False)
    config = bound.arguments.get("config", ServeConfig())
    assert isinstance(config, ServeConfig)
    return config


@pytest.mark.parametrize("name", FILES)
def test_the_document_shows_the_files_as_they_are(name: str) -> None:
    if name == "Dockerfile.dockerignore":
        pytest.skip("read by Docker beside the Dockerfile, and not shown")
    content = (FOLDER / name).read_text(encoding="utf-8")
    assert f"`deploy/{name}`" in DOCUMENT
    assert any(block == content for block in re.findall(r"```\w*\n(.*?)```", DOCUMENT, re.S))


# ---------------------------------------------------------------- the image
def test_the_image_has_a_command_that_serves_and_a_user_without_rights() -> None:
    assert only("ENTRYPOINT", STEPS).words == ["onar"]
    assert settings(only("CMD", STEPS).words).host == "0.0.0.0"
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", only("USER", STEPS).text)  # a number: Kubernetes checks no names
    assert only("EXPOSE", STEPS).text == str(ServeConfig().port)


def test_the_steps_of_the_image_are_those_that_the_release_check_follows() -> None:
    words = [step.word for step in STEPS]
    assert words.count("FROM") == 2
    build = STEPS[: 1 + max(place for place, word in enumerate(words) if word == "RUN")]
    for step in build:
        assert step.word in ("FROM", "WORKDIR", "COPY", "RUN")
        if step.word == "RUN":
            assert step.words[0] == "python"
            assert PREFIX in step.text
            assert not set(step.text) & set("|&;<>$`")
    assert [step.text.split()[0] for step in STEPS if step.word == "FROM"] == ["python:3.12-slim"] * 2


def test_the_image_gets_what_it_copies_and_nothing_else() -> None:
    lines = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    copies = [step.words[:-1] for step in STEPS if step.word == "COPY" and "--from" not in step.text]
    copied = list(chain.from_iterable(copies))
    assert set(copied) == kept
    assert all((REPOSITORY / source).exists() for source in copied)
    assert any(fnmatchcase("src/onar/__pycache__", pattern) for pattern in lines if pattern.startswith("**"))


@pytest.mark.process
def test_the_health_check_of_the_image_finds_out_whether_a_server_answers() -> None:
    _, *words = health_command(STEPS)

    def is_healthy(port: str) -> bool:
        command = [sys.executable, *(word.replace("7860", port) for word in words)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    with running_server("--weights", "pyramid", "--no-page", "--allowed_hosts", NAME) as server:
        port = server.url.rpartition(":")[2]
        assert is_healthy(port)
        server.process.terminate()
        server.process.wait()
    assert not is_healthy(port)


def test_compose_locks_the_container_down_and_gives_it_time_to_stop() -> None:
    config = settings(COMPOSE["command"])
    assert int(COMPOSE["stop_grace_period"].removesuffix("s")) > config.stop_seconds
    assert (FOLDER / COMPOSE["build"]["context"]).resolve() == REPOSITORY
    assert REPOSITORY / COMPOSE["build"]["dockerfile"] == FOLDER / "Dockerfile"
    assert COMPOSE["read_only"] is True
    assert COMPOSE["cap_drop"] == ["ALL"]
    assert "ONAR_API_KEY" in COMPOSE["environment"]
    assert all(port.startswith("127.0.0.1:") for port in COMPOSE["ports"])
    assert COMPOSE["environment"]["ONAR_CACHE"].startswith(COMPOSE["tmpfs"][0].partition(":")[0])


# ---------------------------------------------------------------- systemd
def test_the_unit_starts_a_server_and_gives_it_time_to_stop() -> None:
    program, *command = shlex.split(re.search(r"^ExecStart=(.*)$", UNIT, re.M)[1])
    assert program == f"{PREFIX}/bin/onar"
    assert int(re.search(r"^TimeoutStopSec=(\d+)$", UNIT, re.M)[1]) > settings(command).stop_seconds


@pytest.mark.process
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_accepts_the_unit_and_finds_it_locked_down(tmp_path: Path) -> None:
    unit = tmp_path / "onar.service"
    unit.write_text(UNIT.replace(f"{PREFIX}/bin/onar", shutil.which("true")))
    checked = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout  # an exposure of at most 2.0


# ---------------------------------------------------------------- proxies
@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server("--weights", "pyramid", "--allowed_hosts", NAME) as server:
        yield server


def behind_nginx(stack: ExitStack, server: Server, folder: Path, **changes: str) -> httpx.Client:
    """A client of the real nginx with the very file, at another port and with another certificate."""
    port, (host, own) = unused_port(), server.address
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subject = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command = ["openssl", "req", "-x509", *kind, "-keyout", key, "-out", certificate, *subject]
    subprocess.run(command, check=True, capture_output=True)
    replaced = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        f"/etc/ssl/{NAME}.pem": str(certificate),
        f"/etc/ssl/private/{NAME}.key": str(key),
        DOCUMENTED: f"{host}:{own}",
        **changes,
    }
    lines = (FOLDER / "nginx.conf").read_text(encoding="utf-8")
    for old, new in replaced.items():
        assert old in lines
        lines = lines.replace(old, new)
    stack.enter_context(nginx_with(lines, port, folder))
    return stack.enter_context(client_of(port, NAME, ssl.create_default_context(cafile=certificate)))


def client_of(port: int, host: str, verify: ssl.SSLContext | bool) -> httpx.Client:
    """A client that finds the name at a port of this computer."""
    return httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=verify, timeout=60, headers={"Host": host})


def ask(client: httpx.Client, path: str, **options: Any) -> httpx.Response:
    method = "POST" if options else "GET"
    return client.request(method, path, extensions={"sni_hostname": NAME}, **options)


def check_proxy(client: httpx.Client) -> None:
    """A large photo passes, a larger one does not, and metrics are not for visitors."""
    assert ask(client, "/api/health").json() == {"status": "ok"}
    photo = encode(a_photo(900, 1300))
    assert len(photo) > 1_000_000  # more than nginx lets through by itself
    answer = ask(client, PATH, files={"photo": photo, "mask": a_mask(900, 1300)})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    # 502 of Caddy, where the server refuses the request before Caddy has counted its bytes.
    assert ask(client, PATH, files={"photo": bytes(33_000_000 + 1_000_000), "mask": MASK}).status_code in (413, 502)
    assert ask(client, "/metrics").status_code == 404
    assert ask(client, "/").status_code == 200


@pytest.mark.process
@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_nginx_passes_photos_and_keeps_metrics_to_itself(server: Server, tmp_path: Path) -> None:
    with ExitStack() as stack:
        check_proxy(behind_nginx(stack, server, tmp_path))


@pytest.mark.process
@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_nginx_answers_too_many_requests_with_429(server: Server, tmp_path: Path) -> None:
    with ExitStack() as stack:
        client = behind_nginx(stack, server, tmp_path, **{"rate=10r/s": "rate=1r/m", "burst=100": "burst=2"})
        assert [ask(client, "/api/health").status_code for _ in range(5)] == [200, 200, 200, 429, 429]


@pytest.mark.process
def test_caddy_passes_photos_and_keeps_metrics_to_itself(server: Server, tmp_path: Path) -> None:
    host, port = server.address
    lines = (FOLDER / "Caddyfile").read_text(encoding="utf-8")
    with ExitStack() as stack:
        url = stack.enter_context(running_caddy(lines, f"{host}:{port}", tmp_path))
        check_proxy(stack.enter_context(client_of(int(url.rpartition(":")[2]), url.removeprefix("https://"), False)))
