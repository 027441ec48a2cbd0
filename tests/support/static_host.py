"""A minimal host for a folder: the type of every file is bytes, except for pages and, as an option, scripts.

Run as a program it takes the folder, and then any of "scripts" and "isolated", and prints its port and what it is sent.
"""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any, NamedTuple

ISOLATION = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


class Handler(SimpleHTTPRequestHandler):
    scripts = isolated = False

    def guess_type(self, path: str) -> str:
        if path.endswith((".html", "/")):
            return "text/html"
        return "text/javascript" if self.scripts and path.endswith(".js") else "application/octet-stream"

    def do_POST(self) -> None:
        print(self.rfile.read(int(self.headers["Content-Length"])).decode(), flush=True)
        self.send_response(204)
        self.end_headers()

    def end_headers(self) -> None:
        for name, value in ISOLATION.items() if self.isolated else ():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Host(NamedTuple):
    address: str
    sent: IO[str]
    """Requests to the host, one per line."""


@contextmanager
def hosting(folder: Path, *options: str) -> Iterator[Host]:
    """A host for the folder, in a process of its own."""
    process = subprocess.Popen([sys.executable, __file__, str(folder), *options], stdout=subprocess.PIPE, text=True)
    try:
        yield Host(f"http://127.0.0.1:{process.stdout.readline().strip()}/", process.stdout)
    finally:
        process.kill()
        process.wait()


@dataclass
class Watched:
    """A host in this process."""

    address: str
    asked: list[str]
    """Names of the files that were asked for, and whether their bytes were sent: not after 304 or 404."""
    held: str = ""
    """The beginning of names of which only half is sent, until `released`."""
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def watching(folder: Path) -> Iterator[Watched]:
    """A host for the folder that remembers what it was asked for; scripts have their type."""

    class Remembering(Handler):
        scripts = True

        def send_response(self, code: int, message: str | None = None) -> None:
            if code == 200:
                host.asked.append(self.path.rpartition("/")[2])
            super().send_response(code, message)

        def copyfile(self, source: Any, outputfile: Any) -> None:
            content = source.read()
            name, half = self.path.rpartition("/")[2], len(content) // 2
            outputfile.write(content[:half])
            if host.held and name.startswith(host.held):
                outputfile.flush()
                host.released.wait(60)
            outputfile.write(content[half:])

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Remembering, directory=str(folder)))
    host = Watched(f"http://127.0.0.1:{server.server_port}/", [])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        host.released.set()
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    Handler.scripts, Handler.isolated = "scripts" in sys.argv[2:], "isolated" in sys.argv[2:]
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=sys.argv[1]))
    print(server.server_port, flush=True)
    server.serve_forever()
