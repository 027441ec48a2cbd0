"""Real proxies for tests, with the very lines of docs/serve.md."""

import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.conftest import REPOSITORY
from tests.support.runs import wait_until

NAME = "photos.example.org"
DOCUMENTED = "127.0.0.1:7860"


def documented(language: str, under: str = "/") -> str:
    """The lines for a proxy that shows Onar at this path."""
    blocks = re.findall(rf"```{language}\n(.*?)```", (REPOSITORY / "docs" / "serve.md").read_text(), re.S)
    fitting = [block for block in blocks if ("/onar" in block) == (under == "/onar")]
    assert len(fitting) == 1
    return fitting[0]


@contextmanager
def running_nginx(lines: str, address: str, folder: Path) -> Iterator[str]:
    """nginx in front of the server at an address; yields what visitors open, without a path."""
    port = unused_port()
    server = f"""
        server {{
            listen 127.0.0.1:{port};
            server_name {NAME};
            {lines.replace(DOCUMENTED, address)}
        }}
    """
    with nginx_with(server, port, folder):
        yield f"http://{NAME}:{port}"


@contextmanager
def nginx_with(servers: str, port: int, folder: Path) -> Iterator[None]:
    """nginx with such a configuration, which listens at that port."""
    (folder / "nginx.conf").write_text(f"""
        daemon off;
        master_process off;
        pid {folder}/nginx.pid;
        error_log stderr warn;
        events {{}}
        http {{
            access_log off;
            {"".join(f"{kind}_temp_path {folder}/{kind};" for kind in PLACES)}
            {servers}
        }}
    """)
    with running([needed("nginx"), "-e", "stderr", "-p", str(folder), "-c", "nginx.conf"], port):
        yield


@contextmanager
def running_caddy(lines: str, address: str, folder: Path) -> Iterator[str]:
    """Caddy in front of the server at an address, with a certificate of its own."""
    port = unused_port()
    lines = lines.replace(DOCUMENTED, address).replace(f"{NAME} {{", f"https://{NAME}:{port} {{\ntls internal\n")
    settings = "{\nadmin off\nskip_install_trust\nauto_https disable_redirects\n}\n"
    (folder / "Caddyfile").write_text(settings + lines)
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    command = [needed("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    with running(command, port, home):
        wait_until(lambda: has_certificate(port))
        yield f"https://{NAME}:{port}"


PLACES = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def ask(url: str, path: str, **headers: str) -> httpx.Response:
    """Request a page of a proxy on this computer, under any host name."""
    scheme, _, host = url.partition("://")
    port = host.partition(":")[2]
    extensions = {"sni_hostname": NAME}
    with httpx.Client(verify=False, timeout=60) as client:
        return client.get(
            f"{scheme}://127.0.0.1:{port}{path}", headers={"Host": host, **headers}, extensions=extensions
        )


def needed(program: str) -> str:
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin")
    if found is None:
        pytest.skip(f"needs {program}: apt-get install {program}")
    return found


@contextmanager
def running(command: list[str], port: int, environment: dict[str, str] | None = None) -> Iterator[None]:
    """A program, from when it listens at a port until the end."""
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: listens(process, port))
            yield
        finally:
            process.terminate()
            process.communicate(timeout=60)


def listens(process: subprocess.Popen[str], port: int) -> bool:
    assert process.poll() is None, process.stderr.read()
    return any(each.laddr.port == port for each in psutil.Process(process.pid).net_connections("tcp"))


def has_certificate(port: int) -> bool:
    """Whether a server answers over TLS: Caddy listens before it has made the certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 60) as plain,
            context.wrap_socket(plain, server_hostname=NAME),
        ):
            return True
    except ssl.SSLError:
        return False


def unused_port() -> int:
    """An unused port, for programs that cannot choose one themselves."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
