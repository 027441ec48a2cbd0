"""A server that is being stopped."""

import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.bad_requests import PATH
from tests.support.runs import wait_until
from tests.support.server import running_server
from tests.support.slow_requests import deep_form, slow_requests

pytestmark = pytest.mark.process


def test_health_and_metrics_answer_during_work_and_health_says_when_the_server_is_being_stopped() -> None:
    with running_server("--no-page", "--stop_seconds", 120) as server, slow_requests(server, 2) as results:
        assert httpx.get(f"{server.url}/api/health").json() == {"status": "ok"}
        server.process.terminate()
        wait_until(lambda: httpx.get(f"{server.url}/api/health").status_code == 503)
        assert not results[1].done()  # two photos take longer than a signal
        assert httpx.get(f"{server.url}/api/health").json()["error"] == "stopping"
        assert server.measure("onar_in_progress") in (0, 1)
        assert httpx.post(server.url + PATH).json()["message"] == "the server is being stopped"
    assert [result.result().status_code for result in results] == [200, 200]


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_what_is_not_done_in_time_is_refused_when_the_server_stops(stop: signal.Signals, code: int) -> None:
    limits = ("--time_limit", 600, "--stop_seconds", 2)
    with running_server("--no-page", *limits) as server, ThreadPoolExecutor() as executor:
        asked = [executor.submit(httpx.post, server.url + PATH, **deep_form(), timeout=120) for _ in range(2)]
        wait_until(lambda: server.measure("onar_in_progress") == 1 and server.measure("onar_waiting") == 1)
        with socket.create_connection(server.address) as unfinished:  # a client that never sends the rest
            lines = [
                f"POST {PATH} HTTP/1.1",
                "Host: localhost",
                "Content-Type: application/json",
                "Content-Length: 999",
            ]
            unfinished.sendall("\r\n".join([*lines, "", "{"]).encode())
            wait_until(lambda: httpx.get(f"{server.url}/api/health").status_code == 200)
            server.process.send_signal(stop)
            assert server.process.wait(120) == code
        for answer in (result.result() for result in asked):
            assert (answer.status_code, answer.json()["message"]) == (503, "the server is being stopped")
