"""A cache of the photos that pages have open, so that each is sent once and not with every request.

It is in memory, never on disk. A photo's id cannot be guessed; who has it may use the photo as its sender may.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

from onar.serve.errors import PhotoGoneError

MAX_PHOTOS = 256
"""Maximum number of photos, of any size."""
_ID_BYTES = 24


@dataclass
class _Kept:
    content: bytes
    end: asyncio.TimerHandle


class KeptPhotos:
    """A least-recently-used cache of photos by id, of at most `max_bytes`; those unused for `idle_seconds` are dropped.

    Its methods belong to the event loop.
    """

    def __init__(self, max_bytes: float, idle_seconds: float) -> None:
        self._max_bytes = max_bytes
        self._idle_seconds = idle_seconds
        self._kept: dict[str, _Kept] = {}  # the most recently used is the last

    @property
    def count(self) -> int:
        """Number of photos."""
        return len(self._kept)

    @property
    def total_bytes(self) -> int:
        """Bytes of all photos."""
        return sum(len(kept.content) for kept in self._kept.values())

    def keep(self, content: bytes) -> str | None:
        """Keep a photo; returns its id, or None when it is too large."""
        if len(content) > self._max_bytes:
            return None
        while self._kept and (self.count >= MAX_PHOTOS or self.total_bytes + len(content) > self._max_bytes):
            self.forget(next(iter(self._kept)))
        name = secrets.token_urlsafe(_ID_BYTES)
        self._kept[name] = _Kept(content, self._ending(name))
        return name

    def read(self, name: str) -> bytes:
        """A photo, whose idle time restarts; raises `PhotoGoneError`."""
        kept = self._kept.pop(name, None)
        if kept is None:
            raise PhotoGoneError("this photo is no longer kept: send it again")
        kept.end.cancel()
        self._kept[name] = _Kept(kept.content, self._ending(name))
        return kept.content

    def forget(self, name: str) -> None:
        """Drop a photo, if it is there."""
        kept = self._kept.pop(name, None)
        if kept is not None:
            kept.end.cancel()

    def _ending(self, name: str) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._idle_seconds, self.forget, name)
