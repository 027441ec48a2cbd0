"""The files of the page on the disk, and how much they may take there."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from anyio import to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from onar.serve.body_limit import announced_bytes, has_body
from onar.serve.paths import own_path
from onar.serve.problems import NoRoomError, answer_to


class Storage:
    """A folder in which what has been there longest makes room for what comes.

    Args:
        folder: the folder.
        most_bytes: most bytes of all that is in it, but for what stays.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder = folder
        self.most_bytes = most_bytes
        self._staying: set[Path] = set()
        self._lock = threading.Lock()

    def keep(self) -> None:
        """Never remove what is in the folder now."""
        self._staying = set(_files(self.folder))

    def make_room(self, needed: int = 0) -> None:
        """Remove files until so many bytes more fit.

        Raises:
            NoRoomError: they never will.
        """
        if needed > self.most_bytes:
            raise NoRoomError("the server has no room for so much: try again later, or send less")
        with self._lock:
            found = {path: status for path, status in _files(self.folder).items() if path not in self._staying}
            total = sum(status.st_size for status in found.values())
            for path in sorted(found, key=lambda path: found[path].st_ctime):
                if total + needed <= self.most_bytes:
                    break
                path.unlink(missing_ok=True)
                total -= found[path].st_size


class RoomForUploads:
    """Makes room before a file is uploaded, for all that are on their way.

    Args:
        app: what takes the files.
        path: at which it takes them.
        storage: where it puts them.
        max_bytes: how much an upload is taken for that does not say how long it is.
    """

    def __init__(self, app: ASGIApp, path: str, storage: Storage, max_bytes: int) -> None:
        self._app = app
        self._path = path
        self._storage = storage
        self._max_bytes = max_bytes
        self._on_their_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if not has_body(scope) or own_path(scope).rstrip("/") != self._path:
            await self._app(scope, receive, send)
            return
        size = announced_bytes(scope, self._max_bytes)
        self._on_their_way += size
        try:
            await to_thread.run_sync(self._storage.make_room, self._on_their_way)
        except NoRoomError as error:
            self._on_their_way -= size
            await answer_to(error)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._on_their_way -= size


def _files(folder: Path) -> dict[Path, os.stat_result]:
    """Every file in a folder and below, but for those that are removed meanwhile."""
    found = {}
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            with suppress(FileNotFoundError):
                found[path] = path.lstat()
    return found
