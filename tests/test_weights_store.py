"""Downloads of public weights, from a server on this machine: whole, checked, resumed, or not there at all."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from onar.errors import OnarError
from onar.inference.inpainter import Inpainter
from onar.weights import store
from onar.weights.catalogue import CATALOGUE, PublicWeights
from tests.support.public_networks import write_network
from tests.support.runs import refusal, run_onar


class _Server(ThreadingHTTPServer):
    """Sends `content`, as far as `ends` at first, by ranges if `by_ranges`."""

    content = b""
    ends: int | None = None
    by_ranges = True
    waiting: threading.Event | None = None
    ranges: list[str | None]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.ranges.append(wanted)
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and self.server.by_ranges else 0
        content = self.server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header(
                "Content-Range", f"bytes {start}-{len(self.server.content) - 1}/{len(self.server.content)}"
            )
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        end, self.server.ends = self.server.ends, None
        self.wfile.write(content[:end])
        if self.server.waiting:
            self.server.waiting.wait(60)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    """A server of a network, which is `lama` in the catalogue, and an empty store."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.ranges = []
        server.content = write_network(tmp_path / "lama.onnx", "lama", 128).read_bytes()
        entry = replace(
            CATALOGUE["lama"],
            size=len(server.content),
            sha256=hashlib.sha256(server.content).hexdigest(),
            address=f"http://127.0.0.1:{server.server_port}/lama_fp32.onnx",
        )
        monkeypatch.setitem(CATALOGUE, "lama", entry)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _left() -> set[str]:
    return {path.name for path in store.store_folder().iterdir() if path.suffix != ".lock"}


def test_downloaded_weights_are_used_by_their_name(server: _Server) -> None:
    with pytest.raises(OnarError, match="the weights lama are not here: onar weights get lama downloads them"):
        Inpainter.load("lama", "cpu")
    said = run_onar("weights", "get", "lama").out
    assert Path(said.strip()).read_bytes() == server.content
    assert run_onar("weights", "path", "lama").out == said
    photo, hole = np.full((64, 64, 3), 99, np.uint8), np.zeros((64, 64), bool)
    hole[20:40, 20:40] = True
    assert (Inpainter.load("lama", "cpu")(photo, hole) == 99).all()
    assert str(store.place_of("lama")) in run_onar("weights", "list").out
    assert len(server.ranges) == 1
    assert "is removed" in run_onar("weights", "remove", "lama").out
    assert "is not here" in run_onar("weights", "remove", "lama").out
    assert not list(store.store_folder().iterdir())


@pytest.mark.parametrize("by_ranges", [True, False])
def test_an_interrupted_download_goes_on_where_it_stopped(server: _Server, by_ranges: bool) -> None:
    server.ends, server.by_ranges = 700, by_ranges
    with pytest.raises(OnarError, match="onar weights get lama goes on where it stopped"):
        store.download("lama")
    assert _left() == {"lama_fp32.onnx.part"}
    arrived: list[int] = []
    assert store.download("lama", arrived.append).read_bytes() == server.content
    assert server.ranges == [None, "bytes=700-"]
    assert sum(arrived) == len(server.content)
    assert arrived[0] == (700 if by_ranges else 0)
    assert _left() == {"lama_fp32.onnx"}


@pytest.mark.parametrize("fault", ["other", "longer", "shorter", "part"])
def test_a_file_with_another_hash_is_never_there(server: _Server, fault: str) -> None:
    right = server.content
    server.content = {
        "other": right[:-1] + b"!",
        "longer": b"!" + right,
        "shorter": right[:-1],
        "part": right,
    }[fault]
    if fault == "part":  # what was there before is of another file
        store.store_folder().mkdir(parents=True)
        (store.store_folder() / "lama_fp32.onnx.part").write_bytes(b"?" * 100)
    with pytest.raises(OnarError, match="the connection was closed" if fault == "shorter" else "its SHA-256 differs"):
        store.download("lama")
    assert not store.is_here("lama")
    store.remove("lama")
    server.content = right
    assert store.download("lama").read_bytes() == right


def test_a_full_disk_and_no_server_are_said_before_and_nothing_is_left(
    server: _Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CATALOGUE, "migan", replace(CATALOGUE["lama"], size=10**18))
    with pytest.raises(OnarError, match="MB free, and 1000000000000 MB are needed"):
        store.download("migan")
    assert not server.ranges
    monkeypatch.setitem(CATALOGUE, "migan", replace(CATALOGUE["lama"], address="http://127.0.0.1:9/lama.onnx"))
    assert "Connection refused" in refusal("weights", "get", "migan", code=1)
    assert not _left()


def test_a_second_download_at_once_is_refused(server: _Server) -> None:
    server.ends, server.waiting = 500, threading.Event()
    failures: list[OnarError] = []

    def get() -> None:
        try:
            store.download("lama", lambda _: begun.set())
        except OnarError as error:
            failures.append(error)

    begun = threading.Event()
    first = threading.Thread(target=get)
    first.start()
    assert begun.wait(60)
    with pytest.raises(OnarError, match="another process downloads lama"):
        store.download("lama")
    server.waiting.set()
    first.join()
    assert len(failures) == 1


def test_other_names_are_refused() -> None:
    for verb in ("get", "path", "remove"):
        assert "there are migan, lama, lama_small" in run_onar("weights", verb, "lamb", code=2).err


def test_entries_have_all_that_a_user_decides_by() -> None:
    for entry in CATALOGUE.values():
        assert isinstance(entry, PublicWeights)
        assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
        assert entry.address.startswith("https://")
        assert entry.address.endswith(".onnx")
        assert entry.licence
        assert entry.purpose
